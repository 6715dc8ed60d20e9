//! What a regular file holds: bytes in shared, immutable pieces until somebody writes.
//!
//! Content starts as one shared slice (of a packed image, of an import) and is cut into chunks on
//! the first write. A chunk is copied only when it is written and shared, so a fork of a tree with a
//! large file costs nothing, and an append touches the last chunk alone. A chunk that was never
//! written is a hole: it takes no memory and reads as zeros.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// Size of a chunk in bytes. Small enough that a one-byte write copies little, large enough that a
/// gigabyte is 16,384 map entries.
pub(crate) const CHUNK_BYTES: u64 = 64 * 1024;

/// Bytes of holes that are filled with zeros for somebody who wants a file as a whole.
const MAX_HOLE_BYTES: u64 = 1 << 30;

#[derive(Clone, Debug)]
enum Chunk {
    Shared(Bytes),
    Owned(Arc<Vec<u8>>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
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
        if let Self::Shared(bytes) = self {
            *self = Self::Owned(Arc::new(bytes.to_vec()));
        }
        match self {
            Self::Owned(bytes) => Arc::make_mut(bytes),
            Self::Shared(_) => unreachable!("made owned above"),
        }
    }
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
    by_index: BTreeMap<u64, ContentChunk>,
    hash: OnceLock<blake3::Hash>,
}

/// A copy is made to be written: it has no hash yet.
impl Clone for Pieces {
    fn clone(&self) -> Self {
        Self { by_index: self.by_index.clone(), hash: OnceLock::new() }
    }
}

/// A piece of at most [`CHUNK_BYTES`].
#[derive(Clone, Debug)]
pub(crate) struct ContentChunk(Chunk);

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run<'a> {
    Data(&'a [u8]),
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
                pieces.by_index.values().map(|piece| piece.0.bytes().len() as u64).sum()
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
            return self.runs() == other.runs();
        }
        self.to_bytes() == other.to_bytes()
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
                    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes)
                }
                Run::Hole(n_bytes) if is_too_sparse => hasher.update(&n_bytes.to_be_bytes()),
                Run::Data(bytes) => hasher.update(bytes),
                Run::Hole(n_bytes) => hash_zeros(&mut hasher, n_bytes),
            };
        }
        hasher.finalize()
    }

    /// Copies bytes from `offset` on into `out`; returns how many, fewer than asked at the end.
    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> usize {
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
                    let piece =
                        pieces.by_index.get(&index).map_or(&[][..], |piece| piece.0.bytes());
                    let held = piece.get(start..).unwrap_or(&[]);
                    let n_held = held.len().min(out.len());
                    out[..n_held].copy_from_slice(&held[..n_held]);
                    out[n_held..].fill(0);
                }
            }
        }
        wanted
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
            let piece = &mut pieces
                .entry(index)
                .or_insert_with(|| ContentChunk(Chunk::Owned(Arc::default())))
                .0;
            let before = piece.bytes().len();
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
            grown += (piece.bytes().len() - before) as u64;
        }
        *len = (*len).max(offset + data.len() as u64);
        grown
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
            pieces.retain(|index, _| *index <= last);
            if let Some(piece) = pieces.get_mut(&last) {
                if piece.0.bytes().len() > rest {
                    piece.0.make_mut().truncate(rest);
                }
                if rest == 0 {
                    pieces.remove(&last);
                }
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
                self.read_at(0, &mut out);
                out.into()
            }
        }
    }

    /// Returns the file from its start to its end, stretch by stretch, none of them empty.
    pub(crate) fn runs(&self) -> Vec<Run<'_>> {
        let Self::Chunks { len, pieces } = self else {
            let Self::Whole(bytes) = self else { unreachable!("the only other form") };
            return if bytes.is_empty() { vec![] } else { vec![Run::Data(bytes)] };
        };
        let mut runs = vec![];
        let mut at = 0;
        for (index, piece) in &pieces.by_index {
            let (start, bytes) = (index * CHUNK_BYTES, piece.0.bytes());
            if bytes.is_empty() {
                continue;
            }
            if start > at {
                runs.push(Run::Hole(start - at));
            }
            runs.push(Run::Data(bytes));
            at = start + bytes.len() as u64;
        }
        if *len > at {
            runs.push(Run::Hole(len - at));
        }
        runs
    }

    /// Returns what is about to be changed.
    fn chunks_mut(&mut self) -> (&mut u64, &mut BTreeMap<u64, ContentChunk>) {
        if let Self::Whole(bytes) = self {
            let size = usize::try_from(CHUNK_BYTES).expect("small constant");
            let pieces = (0..bytes.len())
                .step_by(size)
                .map(|start| bytes.slice(start..(start + size).min(bytes.len())))
                .zip(0..)
                .map(|(piece, index)| (index, ContentChunk(Chunk::Shared(piece))))
                .collect();
            let pieces = Pieces { by_index: pieces, hash: OnceLock::new() };
            *self = Self::Chunks { len: bytes.len() as u64, pieces: Arc::new(pieces) };
        }
        match self {
            Self::Chunks { len, pieces } => {
                let pieces = Arc::make_mut(pieces);
                pieces.hash = OnceLock::new();
                (len, &mut pieces.by_index)
            }
            Self::Whole(_) => unreachable!("cut into chunks above"),
        }
    }
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
                        Run::Data(bytes) => joined.extend_from_slice(bytes),
                        Run::Hole(n) => joined.resize(joined.len() + usize::try_from(n).unwrap(), 0),
                    }
                }
                prop_assert_eq!(&joined[..], &model[..]);
            }
        }
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
