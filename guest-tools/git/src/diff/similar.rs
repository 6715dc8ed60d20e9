//! How much of one file is in another: pieces of lines are counted by hash, as git does, so that its
//! percentages come out.

use super::options::MAX_SCORE;
use super::pair::Side;
use crate::work::Work;

const HASHES: u32 = 107_927;
const LONGEST_PIECE: u32 = 64;
/// Files smaller than this are never taken apart.
const SMALLEST_BROKEN: usize = 400;

/// Hashes of pieces with their bytes, sorted.
pub(crate) type Pieces = Vec<(u32, u64)>;

pub(crate) fn pieces(content: &[u8], text: bool) -> Pieces {
    let mut found: Pieces = vec![];
    let (mut a, mut b, mut n) = (0u32, 0u32, 0u32);
    let mut bytes = content.iter().copied().peekable();
    while let Some(c) = bytes.next() {
        if text && c == b'\r' && bytes.peek() == Some(&b'\n') {
            continue;
        }
        let before = a;
        a = (a << 7) ^ (b >> 25);
        b = (b << 7) ^ (before >> 25);
        a = a.wrapping_add(c.into());
        n += 1;
        if n < LONGEST_PIECE && c != b'\n' {
            continue;
        }
        found.push((hash(a, b), n.into()));
        (a, b, n) = (0, 0, 0);
    }
    if n > 0 {
        found.push((hash(a, b), n.into()));
    }
    found.sort_unstable_by_key(|piece| piece.0);
    found.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    found
}

fn hash(a: u32, b: u32) -> u32 {
    a.wrapping_add(b.wrapping_mul(0x61)) % HASHES
}

/// Bytes of the old file that are in the new one, and bytes that are only in the new one.
pub(crate) fn count(old: &Pieces, new: &Pieces) -> (u64, u64) {
    let (mut copied, mut added) = (0, 0);
    let mut rest = new.iter().peekable();
    for &(hash, bytes) in old {
        while let Some(piece) = rest.next_if(|piece| piece.0 < hash) {
            added += piece.1;
        }
        let there = rest.next_if(|piece| piece.0 == hash).map_or(0, |piece| piece.1);
        added += there.saturating_sub(bytes);
        copied += bytes.min(there);
    }
    added += rest.map(|piece| piece.1).sum::<u64>();
    (copied, added)
}

/// The likeness of two files; 0 if it surely is below the least one wanted.
pub(crate) fn score(
    old: (&Side, &mut Option<Pieces>),
    new: (&Side, &mut Option<Pieces>),
    least: u32,
    work: &Work<'_>,
) -> u32 {
    if !old.0.is_regular() || !new.0.is_regular() {
        return 0;
    }
    let (a, b) = (old.0.content(work), new.0.content(work));
    let (most, fewest) = (a.len().max(b.len()) as u64, a.len().min(b.len()) as u64);
    if most * u64::from(MAX_SCORE - least) < (most - fewest) * u64::from(MAX_SCORE) {
        return 0;
    }
    let of = |side: &Side, content: &[u8]| pieces(content, !side.is_binary(work));
    let a = old.1.get_or_insert_with(|| of(old.0, &a));
    let pieces_b = new.1.get_or_insert_with(|| of(new.0, &b));
    if b.is_empty() {
        return 0;
    }
    let (copied, _) = count(a, pieces_b);
    (copied * u64::from(MAX_SCORE) / most) as u32
}

/// Whether a changed file is taken apart at a score, and how much of the old content went.
pub(crate) fn breaks(old: &Side, new: &Side, at: u32, work: &Work<'_>) -> (bool, u32) {
    if old.is_regular() != new.is_regular() {
        return (true, MAX_SCORE);
    }
    let (a, b) = (old.content(work), new.content(work));
    if old.id(work) == new.id(work) || a.len().max(b.len()) < SMALLEST_BROKEN || a.is_empty() {
        return (false, 0);
    }
    let (mut copied, mut added) =
        count(&pieces(&a, !old.is_binary(work)), &pieces(&b, !new.is_binary(work)));
    let (a, b) = (a.len() as u64, b.len() as u64);
    copied = copied.min(a);
    if b < added + copied {
        added = b.saturating_sub(copied);
    }
    let removed = a - copied;
    let (max, at) = (u64::from(MAX_SCORE), u64::from(at));
    let merge_score = removed * max / a;
    if merge_score > at {
        return (true, merge_score as u32);
    }
    let too_little = (removed + added) * max / a.max(b) < at;
    let only_shrunk = a * at < removed * max && added * 20 < removed && added * 20 < copied;
    (!too_little && !only_shrunk, merge_score as u32)
}
