//! Objects of git: their ids, and what they say of others. Format: gitformat-pack(5), git-hash-object(1).

use flate2::read::ZlibDecoder;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use std::{fmt, io::Read as _};

/// The SHA-1 name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) [u8; ID_BYTES]);

pub(super) const ID_BYTES: usize = 20;

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::audit::sign::hex(&self.0))
    }
}

impl Id {
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bytes = crate::audit::sign::unhex(text)?;
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the name that content has as a blob.
    pub(super) fn of_blob(content: &[u8]) -> Self {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(format!("blob {}\0", content.len()).as_bytes());
        context.update(content);
        Self(context.finish().as_ref().try_into().expect("SHA-1 has 20 bytes"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// Inflates what starts `data`, up to `MAX_OBJECT_BYTES`.
pub(super) fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![];
    ZlibDecoder::new(data).take(MAX_OBJECT_BYTES).read_to_end(&mut out).ok()?;
    (out.len() as u64 != MAX_OBJECT_BYTES).then_some(out)
}

/// No object that matters here is larger, and a bomb stays small.
const MAX_OBJECT_BYTES: u64 = 256 << 20;

/// Reads a loose object.
pub(super) fn loose(file: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let content = inflate(file)?;
    let end = content.iter().position(|byte| *byte == 0)?;
    let kind = match content[..end].split(|byte| *byte == b' ').next()? {
        b"commit" => Kind::Commit,
        b"tree" => Kind::Tree,
        b"blob" => Kind::Blob,
        b"tag" => Kind::Tag,
        _ => return None,
    };
    Some((kind, content[end + 1..].to_vec()))
}

/// What a commit reaches.
pub(super) struct Links {
    pub(super) tree: Id,
    pub(super) parents: Vec<Id>,
}

pub(super) fn commit(content: &[u8]) -> Option<Links> {
    let mut tree = None;
    let mut parents = vec![];
    for line in content.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty()) {
        let line = std::str::from_utf8(line).unwrap_or("");
        if let Some(id) = line.strip_prefix("tree ") {
            tree = Id::from_hex(id);
        } else if let Some(id) = line.strip_prefix("parent ") {
            parents.push(Id::from_hex(id)?);
        }
    }
    Some(Links { tree: tree?, parents })
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) id: Id,
}

pub(super) fn tree(mut content: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = vec![];
    while !content.is_empty() {
        let end = content.iter().position(|byte| *byte == 0)?;
        let space = content[..end].iter().position(|byte| *byte == b' ')?;
        let kind = match &content[..space] {
            b"40000" => Kind::Tree,
            b"160000" => Kind::Commit,
            _ => Kind::Blob,
        };
        let name = String::from_utf8_lossy(&content[space + 1..end]).into_owned();
        let id = Id::from_bytes(content.get(end + 1..end + 1 + ID_BYTES)?)?;
        entries.push(Entry { name, kind, id });
        content = &content[end + 1 + ID_BYTES..];
    }
    Some(entries)
}
