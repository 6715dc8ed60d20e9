//! Binary patches: deflated content, or a delta if that is shorter, in base 85.

use std::ffi::{c_int, c_ulong, c_void};

const DIGITS: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
/// The level that git packs with unless told otherwise.
const FASTEST: c_int = 1;
const PER_LINE: usize = 52;

unsafe extern "C" {
    fn compress2(
        out: *mut u8,
        len: *mut c_ulong,
        from: *const u8,
        n: c_ulong,
        level: c_int,
    ) -> c_int;
    fn compressBound(n: c_ulong) -> c_ulong;
    fn uncompress(out: *mut u8, len: *mut c_ulong, from: *const u8, n: c_ulong) -> c_int;
    fn git_delta_index_init(out: *mut *mut c_void, buffer: *const u8, n: usize) -> c_int;
    fn git_delta_index_free(index: *mut c_void);
    fn git_delta_create_from_index(
        out: *mut *mut c_void,
        n_out: *mut usize,
        index: *const c_void,
        buffer: *const u8,
        n: usize,
        most: usize,
    ) -> c_int;
    fn free(memory: *mut c_void);
}

/// The patch there and back.
pub(crate) fn patch(old: &[u8], new: &[u8]) -> Vec<u8> {
    [b"GIT binary patch\n".to_vec(), one_way(old, new), one_way(new, old)].concat()
}

fn one_way(old: &[u8], new: &[u8]) -> Vec<u8> {
    let whole = deflate(new);
    let delta = if old.is_empty() || new.is_empty() { None } else { delta(old, new, whole.len()) };
    let packed =
        delta.map(|delta| (delta.len(), deflate(&delta))).filter(|d| d.1.len() < whole.len());
    let (head, data) = match packed {
        Some((size, data)) => (format!("delta {size}\n"), data),
        None => (format!("literal {}\n", new.len()), whole),
    };
    let mut out = head.into_bytes();
    for line in data.chunks(PER_LINE) {
        let n = line.len() as u8;
        out.push(if n <= 26 { b'A' + n - 1 } else { b'a' + n - 27 });
        encode(line, &mut out);
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}

fn encode(line: &[u8], out: &mut Vec<u8>) {
    for four in line.chunks(4) {
        let mut number =
            four.iter().chain(&[0; 3]).take(4).fold(0u32, |n, b| n << 8 | u32::from(*b));
        let mut five = [0; 5];
        for digit in five.iter_mut().rev() {
            *digit = DIGITS[(number % 85) as usize];
            number /= 85;
        }
        out.extend_from_slice(&five);
    }
}

/// Reads a line of base 85: its first letter is the number of bytes.
pub(crate) fn decode_line(line: &[u8]) -> Option<Vec<u8>> {
    let n = match *line.first()? {
        b @ b'A'..=b'Z' => b - b'A' + 1,
        b @ b'a'..=b'z' => b - b'a' + 27,
        _ => return None,
    };
    let mut out = vec![];
    for five in line[1..].chunks(5) {
        let mut number = 0u64;
        for digit in five {
            number = number * 85 + DIGITS.iter().position(|d| d == digit)? as u64;
        }
        out.extend_from_slice(&u32::try_from(number).ok()?.to_be_bytes());
    }
    out.truncate(n.into());
    Some(out)
}

/// Deflates as git does.
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    // SAFETY: the buffer has the size that zlib asks for.
    unsafe {
        let mut len = compressBound(data.len() as c_ulong);
        let mut out = vec![0; len as usize];
        compress2(out.as_mut_ptr(), &mut len, data.as_ptr(), data.len() as c_ulong, FASTEST);
        out.truncate(len as usize);
        out
    }
}

/// Inflates to a known size.
pub(crate) fn inflate(data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; size.max(1)];
    let mut len = out.len() as c_ulong;
    // SAFETY: the buffer has `len` bytes.
    let error =
        unsafe { uncompress(out.as_mut_ptr(), &mut len, data.as_ptr(), data.len() as c_ulong) };
    out.truncate(len as usize);
    (error == 0 && out.len() == size).then_some(out)
}

fn delta(old: &[u8], new: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut index = std::ptr::null_mut();
    let (mut out, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: both texts outlive the calls; what C allocated is freed here.
    unsafe {
        if git_delta_index_init(&mut index, old.as_ptr(), old.len()) < 0 || index.is_null() {
            return None;
        }
        let error =
            git_delta_create_from_index(&mut out, &mut len, index, new.as_ptr(), new.len(), most);
        git_delta_index_free(index);
        if error < 0 || out.is_null() {
            return None;
        }
        let delta = std::slice::from_raw_parts(out.cast::<u8>(), len).to_vec();
        free(out);
        Some(delta)
    }
}

/// Applies a delta.
pub(crate) fn undelta(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    let (from, to) = (size(delta, &mut at)?, size(delta, &mut at)?);
    if from != base.len() {
        return None;
    }
    let mut out = Vec::with_capacity(to);
    while at < delta.len() {
        let op = delta[at];
        at += 1;
        if op & 0x80 == 0 {
            out.extend_from_slice(delta.get(at..at + usize::from(op))?);
            at += usize::from(op);
            continue;
        }
        let mut field = |bits: std::ops::Range<u32>| {
            let mut value = 0;
            for (shift, bit) in bits.enumerate() {
                if op & (1 << bit) != 0 {
                    value |= usize::from(*delta.get(at)?) << (8 * shift);
                    at += 1;
                }
            }
            Some(value)
        };
        let start = field(0..4)?;
        let len = field(4..7)?;
        out.extend_from_slice(base.get(start..start + if len == 0 { 0x10000 } else { len })?);
    }
    (out.len() == to).then_some(out)
}

fn size(delta: &[u8], at: &mut usize) -> Option<usize> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let b = *delta.get(*at)?;
        *at += 1;
        value |= usize::from(b & 0x7f) << shift;
        shift += 7;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
}
