//! Globs of paths. A pattern may come from somebody else's policy, so what would take the reader of globs or of
//! regular expressions too far is refused before either sees it.

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

/// Bytes of a pattern.
const MAX_BYTES: usize = 4096;

/// Alternatives (`{a,b}`) within alternatives.
const MAX_DEPTH: usize = 16;

/// Why a text is no glob that is taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GlobError {
    /// It is too long.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLong,
    /// It has too many alternatives within alternatives.
    #[error("it has more than {MAX_DEPTH} braces within each other")]
    TooDeep,
    /// It is no glob.
    #[error(transparent)]
    NoGlob(#[from] globset::Error),
}

/// Compiles a glob in which `*` and `?` do not match `/`.
///
/// # Errors
///
/// Fails if it is none, or is too large.
pub fn glob(pattern: &str) -> Result<GlobMatcher, GlobError> {
    if pattern.len() > MAX_BYTES {
        return Err(GlobError::TooLong);
    }
    let mut depth = 0_usize;
    for byte in pattern.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(GlobError::TooDeep);
        }
    }
    Ok(GlobBuilder::new(pattern).literal_separator(true).build()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn what_would_take_too_much_is_refused() {
        for n in [17, 300, 100_000] {
            assert!(glob(&format!("{}a,b{}", "{".repeat(n), "}".repeat(n))).is_err());
        }
        for pattern in
            ["*?".repeat(2048), "[a-z]".repeat(800), "{a,b}".repeat(800), "**/".repeat(1300)]
        {
            assert!(glob(&pattern).is_ok(), "{}", &pattern[..10]);
        }
        assert!(glob(&"a".repeat(4097)).is_err());
        assert!(glob("a/{b,{c,d}}/*").unwrap().is_match("a/d/x"));
    }
}
