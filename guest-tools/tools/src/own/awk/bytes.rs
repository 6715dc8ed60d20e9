//! Texts are bytes, as in mawk: inside, each byte is the character of the same number, so that lengths and positions
//! are counted in bytes and nothing that was read is lost. These two are the border.

use std::borrow::Cow;

/// Bytes from outside as a text.
pub(super) fn inward(bytes: Vec<u8>) -> String {
    if bytes.is_ascii() {
        return String::from_utf8(bytes).unwrap_or_default();
    }
    bytes.into_iter().map(char::from).collect()
}

/// A text as bytes for outside.
pub(super) fn outward(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(text.chars().map(|c| u32::from(c) as u8).collect())
}

/// A text as the name of a file or as a command.
pub(super) fn name(text: &str) -> String {
    String::from_utf8_lossy(&outward(text)).into_owned()
}
