//! Which lines changed: Myers' algorithm in linear space, with the changes then moved to where GNU
//! diff has them.

use std::collections::HashMap;

use posix_regex::Regex;

use super::show::Side;

/// What does not count as a difference.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    pub(super) case: bool,
    pub(super) all_space: bool,
    pub(super) space_change: bool,
    pub(super) trailing_space: bool,
    pub(super) trailing_cr: bool,
    pub(super) blank_lines: bool,
    pub(super) lines: Vec<Regex>,
}

/// Lines of the old file that became lines of the new one; numbers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old: (usize, usize),
    pub(super) new: (usize, usize),
    pub(super) is_ignored: bool,
}

/// The changes from `old` to `new`, in order.
pub(super) fn changes(old: &Side, new: &Side, ignore: &Ignore) -> Vec<Change> {
    let mut classes = HashMap::new();
    let (x, y) = (numbers(old, ignore, &mut classes), numbers(new, ignore, &mut classes));
    let (mut of_old, mut of_new) = marks(&x, &y);
    shift(&mut of_old, &of_new, &x);
    shift(&mut of_new, &of_old, &y);
    collect(&of_old, &of_new)
        .into_iter()
        .map(|change| Change { is_ignored: is_ignored(&change, old, new, ignore), ..change })
        .collect()
}

/// A number for each line, the same for lines that are equal.
fn numbers(side: &Side, ignore: &Ignore, classes: &mut HashMap<Vec<u8>, u32>) -> Vec<u32> {
    let n_lines = side.len();
    (0..n_lines)
        .map(|i| {
            let mut key = ignore.key(side.line(i));
            if i + 1 == n_lines && !side.ends_in_newline && !ignore.any_space() {
                key.push(b'\n'); // no line that is ended has one
            }
            let next = u32::try_from(classes.len()).unwrap_or(u32::MAX);
            *classes.entry(key).or_insert(next)
        })
        .collect()
}

impl Ignore {
    fn any_space(&self) -> bool {
        self.all_space || self.space_change || self.trailing_space
    }

    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut key = line.to_vec();
        if self.all_space {
            key.retain(|c| !c.is_ascii_whitespace());
        } else if self.space_change {
            let mut out: Vec<u8> = vec![];
            for c in key {
                let is_space = c.is_ascii_whitespace();
                if !(is_space && out.last() == Some(&b' ')) {
                    out.push(if is_space { b' ' } else { c });
                }
            }
            key = out;
        }
        if self.space_change || self.trailing_space {
            while key.last().is_some_and(u8::is_ascii_whitespace) {
                key.pop();
            }
        }
        if self.case {
            key = String::from_utf8_lossy(&key).to_lowercase().into_bytes();
        }
        key
    }
}

/// Which lines of each are not in the other, with a false mark before and behind.
fn marks(x: &[u32], y: &[u32]) -> (Vec<bool>, Vec<bool>) {
    let (mut of_old, mut of_new) = (vec![false; x.len() + 2], vec![false; y.len() + 2]);
    // Lines that the other file does not have at all take no part.
    let keep = |of: &[u32], other: &[u32], marks: &mut Vec<bool>| -> Vec<usize> {
        let known: std::collections::HashSet<u32> = other.iter().copied().collect();
        let mut kept = vec![];
        for (i, class) in of.iter().enumerate() {
            if known.contains(class) {
                kept.push(i);
            } else {
                marks[i + 1] = true;
            }
        }
        kept
    };
    let (kept_x, kept_y) = (keep(x, y, &mut of_old), keep(y, x, &mut of_new));
    let xs: Vec<u32> = kept_x.iter().map(|i| x[*i]).collect();
    let ys: Vec<u32> = kept_y.iter().map(|i| y[*i]).collect();
    let mut search = Search::new(&xs, &ys);
    search.compare(0, xs.len() as isize, 0, ys.len() as isize);
    search.deleted.iter().for_each(|i| of_old[kept_x[*i] + 1] = true);
    search.inserted.iter().for_each(|i| of_new[kept_y[*i] + 1] = true);
    (of_old, of_new)
}

struct Search<'a> {
    x: &'a [u32],
    y: &'a [u32],
    forward: Vec<isize>,
    backward: Vec<isize>,
    offset: isize,
    deleted: Vec<usize>,
    inserted: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(x: &'a [u32], y: &'a [u32]) -> Self {
        let diagonals = x.len() + y.len() + 3;
        Self {
            x,
            y,
            forward: vec![0; diagonals],
            backward: vec![0; diagonals],
            offset: y.len() as isize + 1,
            deleted: vec![],
            inserted: vec![],
        }
    }

    fn same(&self, x: isize, y: isize) -> bool {
        self.x[x as usize] == self.y[y as usize]
    }

    fn compare(&mut self, mut x0: isize, mut x1: isize, mut y0: isize, mut y1: isize) {
        while x0 < x1 && y0 < y1 && self.same(x0, y0) {
            x0 += 1;
            y0 += 1;
        }
        while x0 < x1 && y0 < y1 && self.same(x1 - 1, y1 - 1) {
            x1 -= 1;
            y1 -= 1;
        }
        if x0 == x1 {
            self.inserted.extend(y0 as usize..y1 as usize);
        } else if y0 == y1 {
            self.deleted.extend(x0 as usize..x1 as usize);
        } else {
            let (x, y) = self.middle(x0, x1, y0, y1);
            self.compare(x0, x, y0, y);
            self.compare(x, x1, y, y1);
        }
    }

    /// A point on a shortest path, searched from both ends.
    fn middle(&mut self, x0: isize, x1: isize, y0: isize, y1: isize) -> (isize, isize) {
        let (d_min, d_max) = (x0 - y1, x1 - y0);
        let (f_mid, b_mid) = (x0 - y0, x1 - y1);
        let (mut f_min, mut f_max, mut b_min, mut b_max) = (f_mid, f_mid, b_mid, b_mid);
        let is_odd = (f_mid - b_mid) & 1 != 0;
        let at = |d: isize, offset: isize| (d + offset) as usize;
        let o = self.offset;
        self.forward[at(f_mid, o)] = x0;
        self.backward[at(b_mid, o)] = x1;
        loop {
            if f_min > d_min {
                f_min -= 1;
                self.forward[at(f_min - 1, o)] = -1;
            } else {
                f_min += 1;
            }
            if f_max < d_max {
                f_max += 1;
                self.forward[at(f_max + 1, o)] = -1;
            } else {
                f_max -= 1;
            }
            let mut d = f_max;
            while d >= f_min {
                let (low, high) = (self.forward[at(d - 1, o)], self.forward[at(d + 1, o)]);
                let mut x = if low < high { high } else { low + 1 };
                let mut y = x - d;
                while x < x1 && y < y1 && self.same(x, y) {
                    x += 1;
                    y += 1;
                }
                self.forward[at(d, o)] = x;
                if is_odd && b_min <= d && d <= b_max && self.backward[at(d, o)] <= x {
                    return (x, y);
                }
                d -= 2;
            }
            if b_min > d_min {
                b_min -= 1;
                self.backward[at(b_min - 1, o)] = isize::MAX;
            } else {
                b_min += 1;
            }
            if b_max < d_max {
                b_max += 1;
                self.backward[at(b_max + 1, o)] = isize::MAX;
            } else {
                b_max -= 1;
            }
            let mut d = b_max;
            while d >= b_min {
                let (low, high) = (self.backward[at(d - 1, o)], self.backward[at(d + 1, o)]);
                let mut x = if low < high { low } else { high - 1 };
                let mut y = x - d;
                while x0 < x && y0 < y && self.same(x - 1, y - 1) {
                    x -= 1;
                    y -= 1;
                }
                self.backward[at(d, o)] = x;
                if !is_odd && f_min <= d && d <= f_max && x <= self.forward[at(d, o)] {
                    return (x, y);
                }
                d -= 2;
            }
        }
    }
}

/// Moves runs of changes: together where they can meet, else as far down as they go, and back to
/// where the other file has a change. Marks of line `i` are at `i + 1`.
fn shift(changed: &mut [bool], other: &[bool], lines: &[u32]) {
    let end = lines.len();
    let (mut i, mut j) = (0, 0);
    loop {
        while i < end && !changed[i + 1] {
            while other[j + 1] {
                j += 1;
            }
            j += 1;
            i += 1;
        }
        if i == end {
            return;
        }
        let mut start = i;
        i += 1;
        while changed[i + 1] {
            i += 1;
        }
        while other[j + 1] {
            j += 1;
        }
        let mut corresponding;
        loop {
            let length = i - start;
            while start > 0 && lines[start - 1] == lines[i - 1] {
                start -= 1;
                changed[start + 1] = true;
                i -= 1;
                changed[i + 1] = false;
                while changed[start] {
                    start -= 1;
                }
                j -= 1;
                while other[j + 1] {
                    j -= 1;
                }
            }
            corresponding = if other[j] { i } else { end };
            while i != end && lines[start] == lines[i] {
                changed[start + 1] = false;
                start += 1;
                changed[i + 1] = true;
                i += 1;
                while changed[i + 1] {
                    i += 1;
                }
                j += 1;
                while other[j + 1] {
                    corresponding = i;
                    j += 1;
                }
            }
            if length == i - start {
                break;
            }
        }
        while corresponding < i {
            start -= 1;
            changed[start + 1] = true;
            i -= 1;
            changed[i + 1] = false;
            j -= 1;
            while other[j + 1] {
                j -= 1;
            }
        }
    }
}

fn collect(of_old: &[bool], of_new: &[bool]) -> Vec<Change> {
    let (n_old, n_new) = (of_old.len() - 2, of_new.len() - 2);
    let (mut changes, mut i, mut j) = (vec![], 0, 0);
    while i < n_old || j < n_new {
        if of_old[i + 1] || of_new[j + 1] {
            let start = (i, j);
            while of_old[i + 1] {
                i += 1;
            }
            while of_new[j + 1] {
                j += 1;
            }
            changes.push(Change { old: (start.0, i), new: (start.1, j), is_ignored: false });
        } else {
            i += 1;
            j += 1;
        }
    }
    changes
}

fn is_ignored(change: &Change, old: &Side, new: &Side, ignore: &Ignore) -> bool {
    if !ignore.blank_lines && ignore.lines.is_empty() {
        return false;
    }
    let trivial = |line: &[u8]| {
        ignore.blank_lines && line.is_empty() || ignore.lines.iter().any(|it| it.is_match(line))
    };
    (change.old.0..change.old.1).all(|i| trivial(old.line(i)))
        && (change.new.0..change.new.1).all(|i| trivial(new.line(i)))
}
