//! What a regular file holds: bytes in shared, immutable pieces until somebody writes.
//!
//! Content starts as one shared slice (of a packed image, of an import) and is cut into chunks on
//! the first write. A chunk is copied only when it is written and shared, so a fork of a tree with a
//! large file costs nothing, and an append touches the last chunk alone. A chunk that was never
//! written is a hole: it takes no memory and reads as zeros. What lies beyond the first
//! [`MEMORY_BYTES`] of a file goes to disk ([`spill`](super::spill)) as soon as writing goes on
//! elsewhere.
//!
//! A disk that fails to give back what was spilled to it is an error (`EIO`) for the guest that reads,
//! and ends with a panic whoever must see a file as a whole: there is no truth left to go on with.

use super::spill::Spilled;
use bytes::Bytes;
use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    io::{self, Read},
    sync::{Arc, OnceLock},
};

/// Size of a chunk in bytes. Small enough that a one-byte write copies little, large enough that a
/// gigabyte is 16,384 map entries.
pub(crate) const CHUNK_BYTES: u64 = 64 * 1024;

/// Bytes at the start of a file that stay in memory, and as long a file as the record hashes.
pub(crate) const MEMORY_BYTES: u64 = 16 << 20;

/// Pieces beyond [`MEMORY_BYTES`] that are in memory, so that writing here and there is not disk traffic.
const N_WARM: usize = 16;

/// Bytes of two files that are compared at a time.
const COMPARED_BYTES: usize = 16 * 1024;

/// Bytes of holes that are filled with zeros for somebody who wants a file as a whole.
const MAX_HOLE_BYTES: u64 = 1 << 30;

#[derive(Clone, Debug)]
enum Chunk {
    Shared(Bytes),
    Owned(Arc<Vec<u8>>),
    Spilled(Arc<Spilled>),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Self::Shared(bytes) => bytes.len(),
            Self::Owned(bytes) => bytes.len(),
            Self::Spilled(spilled) => spilled.len(),
        }
    }

    fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Shared(bytes) => Cow::Borrowed(bytes),
            Self::Owned(bytes) => Cow::Borrowed(bytes),
            Self::Spilled(spilled) => Cow::Owned(spilled.to_vec().expect(LOST)),
        }
    }

    /// Fills `out` from `start` on, with zeros where nothing is held.
    fn read(&self, start: usize, out: &mut [u8]) -> io::Result<()> {
        let n_held = match self {
            Self::Shared(bytes) => copy_held(bytes, start, out),
            Self::Owned(bytes) => copy_held(bytes, start, out),
            Self::Spilled(spilled) => spilled.read(start, out)?,
        };
        out[n_held..].fill(0);
        Ok(())
    }

    /// Puts other bytes in the place of all that is there, in the same memory if it is not shared.
    fn replace(&mut self, data: &[u8]) {
        if let Self::Owned(old) = self
            && let Some(bytes) = Arc::get_mut(old)
        {
            bytes.clear();
            bytes.extend_from_slice(data);
        } else {
            *self = Self::Owned(Arc::new(data.to_vec()));
        }
    }

    fn make_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self, Self::Owned(_)) {
            *self = Self::Owned(Arc::new(self.bytes().into_owned()));
        }
        match self {
            Self::Owned(bytes) => Arc::make_mut(bytes),
            Self::Shared(_) | Self::Spilled(_) => unreachable!("made owned above"),
        }
    }

    /// Moves the bytes to disk; on a disk that takes no more they stay where they are.
    fn spill(&mut self) {
        if let Self::Owned(bytes) = self
            && let Ok(spilled) = Spilled::new(bytes)
        {
            *self = Self::Spilled(Arc::new(spilled));
        }
    }
}

/// Said when what was moved to disk cannot be read again.
const LOST: &str = "what was moved to a temporary file can be read again";

fn copy_held(bytes: &[u8], start: usize, out: &mut [u8]) -> usize {
    let held = bytes.get(start..).unwrap_or(&[]);
    let n_held = held.len().min(out.len());
    out[..n_held].copy_from_slice(&held[..n_held]);
    n_held
}

/// The bytes of a regular file.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// One slice, as it was imported or packed.
    Whole(Bytes),
    /// Pieces by index; what is missing or short reads as zeros up to `len`.
    Chunks { len: u64, pieces: Arc<Pieces> },
}

/// The pieces of a file, and the hash of the file once somebody asked for it.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    by_index: BTreeMap<u64, Chunk>,
    /// The pieces beyond [`MEMORY_BYTES`] that were written last, [`N_WARM`] at most: those that are in memory.
    warm: VecDeque<u64>,
    hash: OnceLock<blake3::Hash>,
}

/// A copy is made to be written: it has no hash yet.
impl Clone for Pieces {
    fn clone(&self) -> Self {
        Self { by_index: self.by_index.clone(), warm: self.warm.clone(), hash: OnceLock::new() }
    }
}

impl Pieces {
    /// Notes that a piece is written, and moves to disk the one that has been warm for longest.
    fn warm_up(&mut self, index: u64) {
        if index * CHUNK_BYTES < MEMORY_BYTES || self.warm.contains(&index) {
            return;
        }
        self.warm.push_back(index);
        if self.warm.len() > N_WARM
            && let Some(oldest) = self.warm.pop_front()
            && let Some(piece) = self.by_index.get_mut(&oldest)
        {
            piece.spill();
        }
    }
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run<'a> {
    Data(Cow<'a, [u8]>),
    /// So many bytes that were never written.
    Hole(u64),
}

fn hash_zeros(hasher: &mut blake3::Hasher, n_bytes: u64) -> &mut blake3::Hasher {
    static ZEROS: [u8; 4096] = [0; 4096];
    let mut left = n_bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        hasher.update(&ZEROS[..part]);
        left -= part as u64;
    }
    hasher
}

impl Default for Content {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Content {
    /// Reads all that comes, unless that is more than `room` bytes.
    pub(crate) fn read_from(mut source: impl Read, room: u64) -> io::Result<Option<Self>> {
        let mut bytes = vec![];
        source.by_ref().take(MEMORY_BYTES).read_to_end(&mut bytes)?;
        let mut content = Self::Whole(bytes.into());
        let mut piece = vec![0; usize::try_from(CHUNK_BYTES).expect("small constant")];
        while content.len() >= MEMORY_BYTES && content.len() <= room {
            let n_bytes = source.read(&mut piece)?;
            if n_bytes == 0 {
                break;
            }
            content.write_at(content.len(), &piece[..n_bytes]);
        }
        Ok((content.len() <= room).then_some(content))
    }

    /// Returns the length in bytes, holes included.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Chunks { len, .. } => *len,
        }
    }

    /// Returns the bytes that are really held: what a quota counts and `st_blocks` shows.
    pub(crate) fn allocated(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Chunks { pieces, .. } => {
                pieces.by_index.values().map(|piece| piece.len() as u64).sum()
            }
        }
    }

    /// Tells whether the file is too long to be held as one slice, for the holes that it has. Answers
    /// TM-DISK-1: a sparse file of an exabyte that the host reads.
    pub(crate) fn is_too_sparse(&self) -> bool {
        self.len() - self.allocated().min(self.len()) > MAX_HOLE_BYTES
    }

    /// Tells whether two files have the same bytes; two that are too sparse to be looked at are the
    /// same if their stretches are.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        if self.is_too_sparse() || other.is_too_sparse() {
            return self.runs().eq(other.runs());
        }
        if let (Self::Whole(a), Self::Whole(b)) = (self, other) {
            return a == b;
        }
        let (mut a, mut b) = ([0; COMPARED_BYTES], [0; COMPARED_BYTES]);
        (0..self.len()).step_by(COMPARED_BYTES).all(|at| {
            let n_bytes = self.read_at(at, &mut a).expect(LOST);
            other.read_at(at, &mut b).expect(LOST);
            a[..n_bytes] == b[..n_bytes]
        })
    }

    /// Returns the hash of the bytes; of one that is too sparse to be looked at, of its stretches.
    /// Chunks are hashed once, however many hold them.
    pub(crate) fn hash(&self) -> blake3::Hash {
        match self {
            Self::Whole(bytes) => blake3::hash(bytes),
            Self::Chunks { pieces, .. } => *pieces.hash.get_or_init(|| self.hash_runs()),
        }
    }

    /// Returns the hash if it takes no work.
    pub(crate) fn known_hash(&self) -> Option<blake3::Hash> {
        match self {
            Self::Whole(_) => None,
            Self::Chunks { pieces, .. } => pieces.hash.get().copied(),
        }
    }

    fn hash_runs(&self) -> blake3::Hash {
        let is_too_sparse = self.is_too_sparse();
        let mut hasher = blake3::Hasher::new();
        for run in self.runs() {
            match run {
                Run::Data(bytes) if is_too_sparse => {
                    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes)
                }
                Run::Hole(n_bytes) if is_too_sparse => hasher.update(&n_bytes.to_be_bytes()),
                Run::Data(bytes) => hasher.update(&bytes),
                Run::Hole(n_bytes) => hash_zeros(&mut hasher, n_bytes),
            };
        }
        hasher.finalize()
    }

    /// Copies bytes from `offset` on into `out`; returns how many, fewer than asked at the end. Fails only as
    /// the disk of the host does, and not within the first [`MEMORY_BYTES`].
    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let out = &mut out[..wanted];
        match self {
            Self::Whole(bytes) if wanted > 0 => {
                let start = usize::try_from(offset).expect("below the length of a slice");
                out.copy_from_slice(&bytes[start..start + wanted]);
            }
            Self::Whole(_) => {}
            Self::Chunks { pieces, .. } => {
                for (index, start, part) in spans(offset, out.len()) {
                    let out = &mut out[part.0..part.1];
                    match pieces.by_index.get(&index) {
                        Some(piece) => piece.read(start, out)?,
                        None => out.fill(0),
                    }
                }
            }
        }
        Ok(wanted)
    }

    /// Writes `data` at `offset`, growing the file as needed; returns the growth of
    /// [`Self::allocated`].
    pub(crate) fn write_at(&mut self, offset: u64, data: &[u8]) -> u64 {
        if data.is_empty() {
            return 0;
        }
        let (len, pieces) = self.chunks_mut();
        let mut grown = 0;
        for (index, start, part) in spans(offset, data.len()) {
            let data = &data[part.0..part.1];
            pieces.warm_up(index);
            let piece =
                pieces.by_index.entry(index).or_insert_with(|| Chunk::Owned(Arc::default()));
            let before = piece.len();
            if start == 0 && data.len() >= before {
                // The whole piece is replaced: no need to copy what was there.
                piece.replace(data);
            } else {
                let bytes = piece.make_mut();
                if bytes.len() < start {
                    bytes.resize(start, 0);
                }
                let overlap = data.len().min(bytes.len() - start);
                bytes[start..start + overlap].copy_from_slice(&data[..overlap]);
                bytes.extend_from_slice(&data[overlap..]);
            }
            grown += (piece.len() - before) as u64;
        }
        *len = (*len).max(offset + data.len() as u64);
        grown
    }

    /// Returns by how much [`Self::allocated`] grows if so many bytes are written at `offset`.
    pub(crate) fn growth(&self, offset: u64, n_bytes: u64) -> u64 {
        let end = offset + n_bytes;
        let held = |index: u64| match self {
            Self::Whole(bytes) => (bytes.len() as u64).saturating_sub(index * CHUNK_BYTES),
            Self::Chunks { pieces, .. } => {
                pieces.by_index.get(&index).map_or(0, |piece| piece.len() as u64)
            }
        };
        let growth = |index: u64| {
            let end = (end - index * CHUNK_BYTES).min(CHUNK_BYTES);
            end.saturating_sub(held(index))
        };
        (offset / CHUNK_BYTES..end.div_ceil(CHUNK_BYTES)).map(growth).sum()
    }

    /// Cuts or extends to `new_len`; an extension is a hole. Returns what [`Self::allocated`] lost.
    pub(crate) fn set_len(&mut self, new_len: u64) -> u64 {
        if new_len == self.len() {
            return 0;
        }
        let before = self.allocated();
        if new_len == 0 {
            *self = Self::default();
            return before;
        }
        let (len, pieces) = self.chunks_mut();
        if new_len < *len {
            let last = new_len / CHUNK_BYTES;
            let rest = usize::try_from(new_len % CHUNK_BYTES).expect("below a chunk");
            pieces.by_index.retain(|index, _| *index <= last);
            if rest == 0 {
                pieces.by_index.remove(&last);
            } else if pieces.by_index.get(&last).is_some_and(|piece| piece.len() > rest) {
                pieces.warm_up(last);
                let piece = pieces.by_index.get_mut(&last).expect("looked at above");
                piece.make_mut().truncate(rest);
            }
        }
        *len = new_len;
        before - self.allocated()
    }

    /// Returns everything as one slice; free of copies where the content is one slice already.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone(),
            Self::Chunks { len, .. } => {
                let mut out = vec![0; usize::try_from(*len).expect("fits a quota")];
                self.read_at(0, &mut out).expect(LOST);
                out.into()
            }
        }
    }

    /// Returns the file from its start to its end, stretch by stretch, none of them empty.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        let whole = match self {
            Self::Whole(bytes) if !bytes.is_empty() => Some(Run::Data(Cow::Borrowed(bytes))),
            _ => None,
        };
        let pieces = match self {
            Self::Whole(_) => None,
            Self::Chunks { len, pieces } => Some(runs_of(*len, pieces)),
        };
        whole.into_iter().chain(pieces.into_iter().flatten())
    }

    /// Returns what is about to be changed.
    fn chunks_mut(&mut self) -> (&mut u64, &mut Pieces) {
        if let Self::Whole(bytes) = self {
            let size = usize::try_from(CHUNK_BYTES).expect("small constant");
            let pieces = (0..bytes.len())
                .step_by(size)
                .map(|start| bytes.slice(start..(start + size).min(bytes.len())))
                .zip(0..)
                .map(|(piece, index)| (index, Chunk::Shared(piece)))
                .collect();
            let pieces = Pieces { by_index: pieces, ..Pieces::default() };
            *self = Self::Chunks { len: bytes.len() as u64, pieces: Arc::new(pieces) };
        }
        match self {
            Self::Chunks { len, pieces } => {
                let pieces = Arc::make_mut(pieces);
                pieces.hash = OnceLock::new();
                (len, pieces)
            }
            Self::Whole(_) => unreachable!("cut into chunks above"),
        }
    }
}

/// The stretches of a file in pieces; one that was spilled is read when its turn comes.
fn runs_of(len: u64, pieces: &Pieces) -> impl Iterator<Item = Run<'_>> {
    let mut at = 0;
    let held = pieces.by_index.iter().filter(|(_, piece)| piece.len() > 0);
    let end = std::iter::once((len, None));
    held.map(|(index, piece)| (index * CHUNK_BYTES, Some(piece))).chain(end).flat_map(
        move |(start, piece)| {
            let hole = (start > at).then(|| Run::Hole(start - at));
            at = start + piece.map_or(0, |piece| piece.len() as u64);
            [hole, piece.map(|piece| Run::Data(piece.bytes()))].into_iter().flatten()
        },
    )
}

/// Cuts `n_bytes` from `offset` on at chunk borders: (chunk index, start in the chunk, part of the
/// buffer).
fn spans(offset: u64, n_bytes: usize) -> impl Iterator<Item = (u64, usize, (usize, usize))> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == n_bytes {
            return None;
        }
        let at = offset + done as u64;
        let start = usize::try_from(at % CHUNK_BYTES).expect("below a chunk");
        let room = usize::try_from(CHUNK_BYTES).expect("small constant") - start;
        let part = (done, done + room.min(n_bytes - done));
        done = part.1;
        Some((at / CHUNK_BYTES, start, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Fork,
    }

    fn op() -> impl Strategy<Value = Op> {
        let offset = 0_u64..200_000;
        prop_oneof![
            (offset.clone(), prop::collection::vec(any::<u8>(), 0..70_000))
                .prop_map(|(offset, data)| Op::Write(offset, data)),
            offset.prop_map(Op::SetLen),
            Just(Op::Fork),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_like_a_vector_of_bytes(start in prop::collection::vec(any::<u8>(), 0..100_000), ops in prop::collection::vec(op(), 1..12)) {
            let (mut content, mut model) = (Content::Whole(start.clone().into()), start);
            let mut allocated = content.allocated();
            let mut forks = vec![];
            for op in ops {
                match op {
                    Op::Write(offset, data) => {
                        allocated += content.write_at(offset, &data);
                        let end = usize::try_from(offset).unwrap() + data.len();
                        if !data.is_empty() {
                            model.resize(model.len().max(end), 0);
                            model[end - data.len()..end].copy_from_slice(&data);
                        }
                    }
                    Op::SetLen(len) => {
                        allocated -= content.set_len(len);
                        model.resize(usize::try_from(len).unwrap(), 0);
                    }
                    Op::Fork => forks.push((content.clone(), model.clone())),
                }
                prop_assert_eq!(content.allocated(), allocated);
            }
            forks.push((content, model));
            for (content, model) in forks {
                prop_assert_eq!(&content.to_bytes()[..], &model[..]);
                prop_assert_eq!(content.hash(), blake3::hash(&model));
                let mut joined = vec![];
                for run in content.runs() {
                    match run {
                        Run::Data(bytes) => joined.extend_from_slice(&bytes),
                        Run::Hole(n) => joined.resize(joined.len() + usize::try_from(n).unwrap(), 0),
                    }
                }
                prop_assert_eq!(&joined[..], &model[..]);
            }
        }
    }

    #[test]
    fn what_lies_beyond_the_start_of_a_long_file_goes_to_disk_and_comes_back() {
        let n_pieces = |content: &Content| match content {
            Content::Chunks { pieces, .. } => {
                let is_spilled = |piece: &&Chunk| matches!(piece, Chunk::Spilled(_));
                pieces.by_index.values().filter(is_spilled).count()
            }
            Content::Whole(_) => 0,
        };
        let start = usize::try_from(MEMORY_BYTES).unwrap();
        let byte = |n: usize| u8::try_from(n % 251).unwrap();
        let mut model: Vec<u8> = (0..start + 4_000_000).map(|n| byte(n / 1000)).collect();
        let mut content = Content::read_from(&model[..], u64::MAX).unwrap().unwrap();
        assert_eq!(n_pieces(&content), 4_000_000_usize.div_ceil(65536) - N_WARM);
        let fork = (content.clone(), model.clone());
        for n in 0..60 {
            let at = start - 70_000 + n * 68_111;
            model[at..at + 3000].fill(byte(n));
            content.write_at(at as u64, &vec![byte(n); 3000]);
        }
        content.set_len((start + 1_000_001) as u64);
        content.set_len((start + 2_000_000) as u64);
        model.truncate(start + 1_000_001);
        model.resize(start + 2_000_000, 0);
        for (content, model) in [(&content, &model), (&fork.0, &fork.1)] {
            assert!(n_pieces(content) > 0);
            assert!(content.to_bytes() == model[..]);
            assert_eq!(content.hash(), blake3::hash(model));
            let mut part = [0; 200];
            content.read_at(start as u64 + 65_500, &mut part).unwrap();
            assert_eq!(part, model[start + 65_500..start + 65_700]);
        }
        assert!(content.same_as(&Content::Whole(model.into())));
        assert!(!content.same_as(&fork.0));
        assert!(Content::read_from(&fork.1[..], MEMORY_BYTES + 3_999_999).unwrap().is_none());
    }

    #[test]
    fn a_sparse_file_takes_no_memory() {
        let mut content = Content::default();
        content.set_len(1 << 40);
        content.write_at((1 << 40) - 1, b"x");
        assert_eq!(content.len(), 1 << 40);
        assert_eq!(content.allocated(), CHUNK_BYTES);
    }
}
