//! A pack: the objects of one snapshot that no pack had before, in one file.
//!
//! A pack is written under a temporary name, brought to the disk and renamed, so it is there whole
//! or not at all. Each object stands behind a header of its own, so a pack whose index is damaged
//! can still be read by going through it. `FORMAT.md` has the bytes.

use super::{
    error::StoreError,
    object::{Kind, ObjectId},
};
use cap_std::fs::{Dir, OpenOptions};
use ruzstd::encoding::{CompressionLevel, FrameCompressor, MatchGeneratorDriver};
use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// The format that is written, and the latest that is read.
pub(super) const FORMAT: u32 = 1;

/// Files of packs end so.
pub(super) const EXTENSION: &str = ".pack";

/// Files that are not whole begin so.
pub(super) const TEMPORARY: &str = "tmp-";

const MAGIC: &[u8; 8] = b"PLAYPACK";
const END_MAGIC: &[u8; 8] = b"PLAYEND\n";
const HEADER_BYTES: usize = 16;
const OBJECT_HEADER_BYTES: usize = 44;
const INDEX_ENTRY_BYTES: usize = 52;
const TRAILER_BYTES: usize = 56;

/// Bytes of an object at most, before compression. Answers a damaged length that asks for all
/// memory.
pub(super) const MAX_OBJECT_BYTES: usize = 16 << 20;

/// Objects shorter than this are not worth compressing.
const MIN_COMPRESSED_BYTES: usize = 128;

/// How the bytes of an object are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Coding {
    Plain = 0,
    Zstd = 1,
}

/// Where an object is in its pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    coding: Coding,
    /// Bytes as they are in the pack.
    pub(super) stored: u32,
    /// Bytes when unpacked.
    pub(super) raw: u32,
    /// Where its header begins.
    offset: u64,
}

#[cfg(test)]
impl Place {
    /// Returns where in the pack the last byte of the object is.
    pub(super) fn last_byte(&self) -> u64 {
        self.offset + OBJECT_HEADER_BYTES as u64 + u64::from(self.stored) - 1
    }
}

/// A pack that is being written. Dropped before [`Self::finish`], it leaves nothing behind.
pub(super) struct PackWriter<'a> {
    dir: &'a Dir,
    folder: &'a Path,
    temporary: String,
    out: BufWriter<cap_std::fs::File>,
    compressor: Compressor,
    at: u64,
    places: Vec<Place>,
    is_done: bool,
}

/// Kept from object to object: its tables take longer to make than most objects to compress.
type Compressor = FrameCompressor<io::Cursor<Vec<u8>>, Vec<u8>, MatchGeneratorDriver>;

impl fmt::Debug for PackWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackWriter").field("temporary", &self.temporary).finish_non_exhaustive()
    }
}

impl<'a> PackWriter<'a> {
    pub(super) fn create(dir: &'a Dir, folder: &'a Path) -> Result<Self, StoreError> {
        let mut random = [0; 8];
        // Without the system's randomness the name is that of the process alone.
        let _ = getrandom::fill(&mut random);
        let random = u64::from_le_bytes(random);
        let temporary = format!("{TEMPORARY}{}-{random:016x}", std::process::id());
        let path = folder.join(&temporary);
        let file = dir
            .open_with(&temporary, OpenOptions::new().write(true).create_new(true))
            .map_err(StoreError::io("create", &path))?;
        let out = BufWriter::with_capacity(1 << 18, file);
        let (at, places) = (HEADER_BYTES as u64, vec![]);
        let compressor = FrameCompressor::new(CompressionLevel::Fastest);
        let mut writer =
            Self { dir, folder, temporary, out, compressor, at, places, is_done: false };
        let mut header = MAGIC.to_vec();
        header.extend(FORMAT.to_le_bytes());
        header.extend([0; 4]);
        writer.write(&header)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = || self.folder.join(&self.temporary);
        self.out.write_all(bytes).map_err(|source| StoreError::io("write", &path())(source))
    }

    /// Adds an object, compressed where that pays.
    pub(super) fn add(&mut self, id: ObjectId, kind: Kind, raw: &[u8]) -> Result<(), StoreError> {
        let compressed = compress(&mut self.compressor, raw);
        let (coding, bytes) = match &compressed {
            Some(bytes) => (Coding::Zstd, &bytes[..]),
            None => (Coding::Plain, raw),
        };
        self.add_stored(id, kind, coding, bytes, raw.len())
    }

    fn add_stored(
        &mut self,
        id: ObjectId,
        kind: Kind,
        coding: Coding,
        bytes: &[u8],
        n_raw: usize,
    ) -> Result<(), StoreError> {
        let size = |n: usize| u32::try_from(n).expect("objects are small");
        let (stored, raw) = (size(bytes.len()), size(n_raw));
        let place = Place { id, kind, coding, stored, raw, offset: self.at };
        self.write(&object_header(&place))?;
        self.write(bytes)?;
        self.at += (OBJECT_HEADER_BYTES + bytes.len()) as u64;
        self.places.push(place);
        Ok(())
    }

    /// Adds an object of another pack as it is there.
    pub(super) fn copy(&mut self, pack: &Pack, place: &Place) -> Result<(), StoreError> {
        let bytes = pack.stored_bytes(place)?;
        self.add_stored(place.id, place.kind, place.coding, &bytes, place.raw as usize)
    }

    /// Writes the index, brings everything to the disk and gives the pack its name.
    pub(super) fn finish(mut self) -> Result<(u64, String), StoreError> {
        self.places.sort_unstable_by_key(|place| place.id);
        let index: Vec<u8> = self.places.iter().flat_map(index_entry).collect();
        let hash = blake3::hash(&index);
        let mut trailer = self.at.to_le_bytes().to_vec();
        trailer.extend((self.places.len() as u64).to_le_bytes());
        trailer.extend(hash.as_bytes());
        trailer.extend(END_MAGIC);
        self.write(&index)?;
        self.write(&trailer)?;
        let path = self.folder.join(&self.temporary);
        let flushed = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        flushed.map_err(StoreError::io("write", &path))?;
        let name = format!("{}{EXTENSION}", &hash.to_hex()[..32]);
        self.dir
            .rename(&self.temporary, self.dir, &name)
            .map_err(StoreError::io("rename", &path))?;
        self.is_done = true;
        sync_dir(self.dir).map_err(StoreError::io("write", self.folder))?;
        Ok((self.at + (index.len() + TRAILER_BYTES) as u64, name))
    }
}

impl Drop for PackWriter<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            // One that stays is cleared away with the next garbage.
            let _removed = self.dir.remove_file(&self.temporary);
        }
    }
}

/// Brings the entries of a folder to the disk.
pub(super) fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

fn compress(compressor: &mut Compressor, raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() < MIN_COMPRESSED_BYTES {
        return None;
    }
    compressor.set_source(io::Cursor::new(raw.to_vec()));
    compressor.set_drain(Vec::with_capacity(raw.len() / 2));
    compressor.compress();
    let packed = compressor.take_drain()?;
    let pays = packed.len() < raw.len() - raw.len() / 16;
    // Reading back what was written costs little beside losing it.
    (pays && decompress(&packed, raw.len()).as_deref() == Some(raw)).then_some(packed)
}

fn decompress(packed: &[u8], n_raw: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(n_raw);
    ruzstd::decoding::FrameDecoder::new().decode_all_to_vec(packed, &mut out).ok()?;
    (out.len() == n_raw).then_some(out)
}

fn object_header(place: &Place) -> [u8; OBJECT_HEADER_BYTES] {
    let mut header = [0; OBJECT_HEADER_BYTES];
    header[..32].copy_from_slice(place.id.as_bytes());
    header[32] = place.kind as u8;
    header[33] = place.coding as u8;
    header[36..40].copy_from_slice(&place.stored.to_le_bytes());
    header[40..44].copy_from_slice(&place.raw.to_le_bytes());
    header
}

fn index_entry(place: &Place) -> [u8; INDEX_ENTRY_BYTES] {
    let mut entry = [0; INDEX_ENTRY_BYTES];
    entry[..OBJECT_HEADER_BYTES].copy_from_slice(&object_header(place));
    entry[OBJECT_HEADER_BYTES..].copy_from_slice(&place.offset.to_le_bytes());
    entry
}

fn parse_header(bytes: &[u8], offset: u64) -> Option<Place> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let place = Place {
        id: ObjectId::from_bytes(bytes.get(..32)?.try_into().ok()?),
        kind: Kind::from_byte(*bytes.get(32)?)?,
        coding: match bytes.get(33)? {
            0 => Coding::Plain,
            1 => Coding::Zstd,
            _ => return None,
        },
        stored: number(36)?,
        raw: number(40)?,
        offset,
    };
    let is_sane = [place.stored, place.raw].iter().all(|n| *n as usize <= MAX_OBJECT_BYTES);
    is_sane.then_some(place)
}

/// A pack that is there.
#[derive(Debug)]
pub(super) struct Pack {
    file: File,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) places: Vec<Place>,
    /// Bytes of the file.
    pub(super) len: u64,
    /// What is wrong with it, where something is: its index was made anew from its objects.
    pub(super) damage: Option<&'static str>,
}

impl Pack {
    pub(super) fn open(dir: &Dir, folder: &Path, name: &str) -> Result<Self, StoreError> {
        let path = folder.join(name);
        let file = dir.open(name).map_err(StoreError::io("open", &path))?.into_std();
        let len = file.metadata().map_err(StoreError::io("read", &path))?.len();
        let mut header = [0; HEADER_BYTES];
        if len >= HEADER_BYTES as u64 {
            file.read_exact_at(&mut header, 0).map_err(StoreError::io("read", &path))?;
        }
        let found = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        let is_pack = &header[..8] == MAGIC;
        if is_pack && found > FORMAT {
            return Err(StoreError::Newer { path, found, supported: FORMAT });
        }
        let (places, damage) = match read_index(&file, len) {
            Ok(places) => (places, None),
            Err(what) => (scan(&file, len), Some(what)),
        };
        let damage = damage.or((!is_pack || found == 0).then_some("its header is not one"));
        Ok(Self { file, name: name.to_owned(), path, places, len, damage })
    }

    fn stored_bytes(&self, place: &Place) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; place.stored as usize];
        let start = place.offset + OBJECT_HEADER_BYTES as u64;
        match self.file.read_exact_at(&mut bytes, start) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(place.id))
            }
            Err(error) => Err(StoreError::io("read", &self.path)(error)),
        }
    }

    /// Reads an object and checks it against its name.
    pub(super) fn read(&self, place: &Place) -> Result<Vec<u8>, StoreError> {
        let stored = self.stored_bytes(place)?;
        let raw = match place.coding {
            Coding::Plain => Some(stored),
            Coding::Zstd => decompress(&stored, place.raw as usize),
        };
        raw.filter(|raw| ObjectId::of(place.kind, raw) == place.id)
            .ok_or_else(|| self.damaged(place.id))
    }

    pub(super) fn damaged(&self, id: ObjectId) -> StoreError {
        StoreError::DamagedObject { id, path: self.path.clone() }
    }
}

fn read_index(file: &File, len: u64) -> Result<Vec<Place>, &'static str> {
    const NO_INDEX: &str = "its end is missing or is not one";
    let start = len.checked_sub(TRAILER_BYTES as u64).ok_or(NO_INDEX)?;
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, start).map_err(|_| NO_INDEX)?;
    let number = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().expect("eight"));
    let (index_at, n_places) = (number(0), number(8));
    let n_bytes = n_places.checked_mul(INDEX_ENTRY_BYTES as u64).ok_or(NO_INDEX)?;
    if &trailer[48..] != END_MAGIC || index_at.checked_add(n_bytes) != Some(start) {
        return Err(NO_INDEX);
    }
    let mut index = vec![0; usize::try_from(n_bytes).map_err(|_| NO_INDEX)?];
    file.read_exact_at(&mut index, index_at).map_err(|_| NO_INDEX)?;
    if blake3::hash(&index).as_bytes() != &trailer[16..48] {
        return Err("its index is damaged");
    }
    let place = |entry: &[u8]| {
        let offset = u64::from_le_bytes(entry[OBJECT_HEADER_BYTES..].try_into().ok()?);
        parse_header(entry, offset)
    };
    let places = index.chunks_exact(INDEX_ENTRY_BYTES).map(place).collect::<Option<Vec<_>>>();
    places.ok_or("its index is damaged")
}

/// Goes through a pack whose index cannot be used, as far as that leads.
fn scan(file: &File, len: u64) -> Vec<Place> {
    let mut places = vec![];
    let mut at = HEADER_BYTES as u64;
    let mut header = [0; OBJECT_HEADER_BYTES];
    while at + OBJECT_HEADER_BYTES as u64 <= len && file.read_exact_at(&mut header, at).is_ok() {
        let Some(place) = parse_header(&header, at) else { break };
        at += OBJECT_HEADER_BYTES as u64 + u64::from(place.stored);
        if at > len {
            break;
        }
        places.push(place);
    }
    places
}
