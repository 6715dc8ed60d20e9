//! Hashes of file contents, computed when somebody looks.

use crate::tree::{Content, MEMORY_BYTES};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, fmt};

/// The BLAKE3 hash of what a file held.
///
/// Made from the content itself, which it shares with the tree and hashes when it is compared,
/// shown or serialized: whoever writes the record pays for the hashing, not the guest that closes
/// the file.
#[derive(Clone)]
pub struct ContentDigest(Inner);

#[derive(Clone)]
enum Inner {
    Known(blake3::Hash),
    Held(Content),
}

impl ContentDigest {
    /// Returns the digest of a content that is in memory as a whole; longer ones are not hashed for the record.
    pub(crate) fn of(content: &Content) -> Option<Self> {
        if content.len() > MEMORY_BYTES {
            return None;
        }
        let known = content.known_hash().map(Inner::Known);
        Some(Self(known.unwrap_or_else(|| Inner::Held(content.clone()))))
    }

    /// Returns the digest of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Inner::Known(blake3::hash(bytes)))
    }

    /// Returns the hash.
    pub fn hash(&self) -> blake3::Hash {
        match &self.0 {
            Inner::Known(hash) => *hash,
            Inner::Held(content) => content.hash(),
        }
    }

    pub(super) fn settle(&mut self) {
        self.0 = Inner::Known(self.hash());
    }

    pub(super) fn n_held_bytes(&self) -> u64 {
        match &self.0 {
            Inner::Known(_) => 0,
            Inner::Held(content) => content.len(),
        }
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash().to_hex())
    }
}

impl PartialEq for ContentDigest {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hash().to_hex())
    }
}

impl<'de> Deserialize<'de> for ContentDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Self(Inner::Known(hash)))
    }
}
