//! Objects of git: a header, the content, and the SHA-1 of both.

use sha1::{Digest as _, Sha1};
use std::fmt;

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The content of a file or the target of a link.
    Blob,
    /// A directory.
    Tree,
    /// A commit.
    Commit,
}

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectId([u8; 20]);

impl ObjectId {
    /// What patches write for a side that is not there.
    pub(crate) const NONE: Self = Self([0; 20]);

    /// Returns the name of an object.
    pub(crate) fn of(kind: Kind, content: &[u8]) -> Self {
        let mut hasher = Sha1::new();
        hasher.update(header(kind, content));
        hasher.update(content);
        Self(hasher.finalize().into())
    }

    pub(super) fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns what stands before the content of an object.
pub(super) fn header(kind: Kind, content: &[u8]) -> Vec<u8> {
    let kind = match kind {
        Kind::Blob => "blob",
        Kind::Tree => "tree",
        Kind::Commit => "commit",
    };
    format!("{kind} {}\0", content.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Kind, ObjectId};

    #[test]
    fn ids_are_those_of_git() {
        // `git hash-object -t blob /dev/null` and `git hash-object -t tree /dev/null`.
        let blob = ObjectId::of(Kind::Blob, b"").to_string();
        assert_eq!(blob, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        let tree = ObjectId::of(Kind::Tree, b"").to_string();
        assert_eq!(tree, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }
}
