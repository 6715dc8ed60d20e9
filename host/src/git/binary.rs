//! Binary patches: compressed contents in letters, as `git apply` reads them.

use super::object::{Kind, ObjectId};
use std::fmt::Write as _;

/// The digits of base 85.
const DIGITS: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Bytes that one line carries.
const LINE_BYTES: usize = 52;

/// How hard contents are compressed, 0 to 10.
const LEVEL: u8 = 6;

/// Adds the part of a patch that takes a file from one content to another and back; `mode` is
/// given where it does not change.
pub(crate) fn binary_patch(
    patch: &mut String,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    mode: Option<&str>,
) {
    let id = |side: Option<&[u8]>| side.map_or(ObjectId::NONE, |it| ObjectId::of(Kind::Blob, it));
    let mode = mode.map(|mode| format!(" {mode}")).unwrap_or_default();
    let _ = writeln!(patch, "index {}..{}{mode}\nGIT binary patch", id(before), id(after));
    literal(patch, after.unwrap_or_default());
    literal(patch, before.unwrap_or_default());
}

/// Adds a content as it is.
fn literal(patch: &mut String, content: &[u8]) {
    let _ = writeln!(patch, "literal {}", content.len());
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(content, LEVEL);
    for line in packed.chunks(LINE_BYTES) {
        let n_bytes = u8::try_from(line.len()).expect("lines are short");
        let length = if n_bytes <= 26 { b'A' + n_bytes - 1 } else { b'a' + n_bytes - 27 };
        patch.push(char::from(length));
        line.chunks(4).for_each(|group| patch.extend(digits(group)));
        patch.push('\n');
    }
    patch.push('\n');
}

/// Returns up to four bytes as five digits.
fn digits(group: &[u8]) -> [char; 5] {
    let mut bytes = [0; 4];
    bytes[..group.len()].copy_from_slice(group);
    let mut number = u32::from_be_bytes(bytes);
    let mut digits = ['0'; 5];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[(number % 85) as usize]);
        number /= 85;
    }
    digits
}
