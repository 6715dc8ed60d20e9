//! Objects: what a store holds, each named by the hash of what it is.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an object holds. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// Bytes of a file.
    Chunk = 1,
    /// A page of the list of a file's chunks.
    List = 2,
    /// A page of the list of a directory's entries.
    Directory = 3,
    /// The root of a tree.
    Tree = 4,
    /// The record of a snapshot.
    Snapshot = 5,
}

impl Kind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Chunk, Self::List, Self::Directory, Self::Tree, Self::Snapshot]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The name of an object: the BLAKE3 hash of its kind and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId([u8; 32]);

impl ObjectId {
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(kind: Kind, raw: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind as u8]).update(raw);
        Self(hasher.finalize().into())
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns a number that is as good as random, for cutting lists where the content says so.
    pub(super) fn number(&self) -> u64 {
        u64::from_le_bytes(self.0[..8].try_into().expect("eight bytes"))
    }

    /// Returns the first twelve digits, which are enough for people.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hash = blake3::Hash::from_hex(text);
        hash.map(|hash| Self(hash.into())).map_err(|_| format!("`{text}` is not an id"))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
