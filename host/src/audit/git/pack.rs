//! Packs: an index of version 2, and entries that may be deltas. Format: gitformat-pack(5).

use super::object::{ID_BYTES, Id, Kind, inflate};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A pack with its index.
#[derive(Debug)]
pub(super) struct Pack {
    offsets: BTreeMap<Id, usize>,
    data: Bytes,
}

/// Deltas upon deltas that are followed; git itself makes 50, 4,095 at most.
const MAX_DEPTH: u32 = 4096;

/// Finds an object elsewhere.
type Find<'a> = dyn Fn(Id, u32) -> Option<(Kind, Vec<u8>)> + 'a;

impl Pack {
    /// Reads an index; none if it is damaged or of another version.
    pub(super) fn new(index: &[u8], data: Bytes) -> Option<Self> {
        const FAN_OUT: usize = 256 * 4;
        let index = index.strip_prefix(b"\xfftOc\x00\x00\x00\x02")?;
        let n = be32(index, FAN_OUT - 4)? as usize;
        let ids = index.get(FAN_OUT..)?;
        let small = FAN_OUT + n * (ID_BYTES + 4);
        let large = small + n * 4;
        let mut offsets = BTreeMap::new();
        for at in 0..n {
            let id = Id::from_bytes(ids.get(at * ID_BYTES..(at + 1) * ID_BYTES)?)?;
            let offset = be32(index, small + at * 4)?;
            let offset = match offset & 0x7fff_ffff {
                far if far != offset => {
                    let at = large + far as usize * 8;
                    u64::from_be_bytes(index.get(at..at + 8)?.try_into().ok()?)
                }
                near => near.into(),
            };
            offsets.insert(id, usize::try_from(offset).ok()?);
        }
        Some(Self { offsets, data })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        self.offsets.keys().copied()
    }

    pub(super) fn get(&self, id: Id, depth: u32, find: &Find<'_>) -> Option<(Kind, Vec<u8>)> {
        self.entry(*self.offsets.get(&id)?, depth, find)
    }

    fn entry(&self, offset: usize, depth: u32, find: &Find<'_>) -> Option<(Kind, Vec<u8>)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut rest = self.data.get(offset..)?;
        let mut byte = take(&mut rest)?;
        let code = (byte >> 4) & 7;
        while byte & 0x80 != 0 {
            byte = take(&mut rest)?;
        }
        let (kind, base) = match code {
            1 => return Some((Kind::Commit, inflate(rest)?)),
            2 => return Some((Kind::Tree, inflate(rest)?)),
            3 => return Some((Kind::Blob, inflate(rest)?)),
            4 => return Some((Kind::Tag, inflate(rest)?)),
            6 => {
                let back = distance(&mut rest)?;
                self.entry(offset.checked_sub(back)?, depth + 1, find)?
            }
            7 => {
                let (id, after) = rest.split_at_checked(ID_BYTES)?;
                rest = after;
                let id = Id::from_bytes(id)?;
                self.get(id, depth + 1, find).or_else(|| find(id, depth + 1))?
            }
            _ => return None,
        };
        Some((kind, apply(&base, &inflate(rest)?)?))
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// Reads how far back the base of a delta lies.
fn distance(rest: &mut &[u8]) -> Option<usize> {
    let mut byte = take(rest)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = take(rest)?;
        value = value.checked_add(1)?.checked_mul(128)? | usize::from(byte & 0x7f);
    }
    Some(value)
}

fn size(rest: &mut &[u8]) -> Option<usize> {
    let (mut value, mut shift) = (0_usize, 0);
    loop {
        let byte = take(rest)?;
        value |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
}

/// Makes an object from its base and a delta.
fn apply(base: &[u8], mut delta: &[u8]) -> Option<Vec<u8>> {
    let rest = &mut delta;
    let _base_size = size(rest)?;
    let n_bytes = size(rest)?;
    let mut out = vec![];
    while !rest.is_empty() {
        let code = take(rest)?;
        if code & 0x80 == 0 {
            let (new, after) = rest.split_at_checked(code.into())?;
            out.extend_from_slice(new);
            *rest = after;
            continue;
        }
        let mut field = |bits: std::ops::Range<u8>| {
            let mut value = 0;
            for (bit, place) in bits.zip(0..) {
                if code & (1 << bit) != 0 {
                    value |= usize::from(take(rest)?) << (8 * place);
                }
            }
            Some(value)
        };
        let start = field(0..4)?;
        let len = match field(4..7)? {
            0 => 0x10000,
            len => len,
        };
        out.extend_from_slice(base.get(start..start.checked_add(len)?)?);
    }
    (out.len() == n_bytes).then_some(out)
}
