//! From a tree to objects.

use super::{
    codec::Encoder,
    error::StoreError,
    object::{Kind, ObjectId},
    pack::PackWriter,
    packs::Packs,
    pages::{self, Item},
};
use crate::tree::{Content, Ino, Inode, Node, ROOT, Run, Tree};
use fastcdc::v2020::FastCDC;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a file's chunk: at least, on average, at most. Small enough that an edit of a line costs
/// little, large enough that most sources are one chunk and compress well.
const CHUNK_BYTES: (usize, usize, usize) = (4 << 10, 16 << 10, 48 << 10);

/// Files up to this length are kept in the entry of their directory.
pub(super) const MAX_INLINE_BYTES: u64 = 64;

/// Bytes that are gathered before they are cut into chunks.
const WINDOW_BYTES: usize = 1 << 20;

/// What the second byte of a file's content means.
pub(super) mod form {
    pub(in super::super) const INLINE: u8 = 0;
    pub(in super::super) const ONE_CHUNK: u8 = 1;
    pub(in super::super) const LIST: u8 = 2;
}

/// What an item of a file's list is.
pub(super) mod item {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HOLE: u8 = 1;
}

/// What an entry of a directory is.
pub(super) mod entry {
    pub(in super::super) const FILE: u8 = 0;
    pub(in super::super) const DIRECTORY: u8 = 1;
    pub(in super::super) const SYMLINK: u8 = 2;
}

/// Puts objects into a pack, each once and only if no pack has it.
#[derive(Debug)]
pub(super) struct Saver<'a> {
    packs: &'a Packs,
    writer: PackWriter<'a>,
    written: BTreeSet<ObjectId>,
}

impl<'a> Saver<'a> {
    pub(super) fn new(packs: &'a Packs, writer: PackWriter<'a>) -> Self {
        Self { packs, writer, written: BTreeSet::new() }
    }

    pub(super) fn put(&mut self, kind: Kind, raw: &[u8]) -> Result<ObjectId, StoreError> {
        let id = ObjectId::of(kind, raw);
        if !self.packs.has(id) && self.written.insert(id) {
            self.writer.add(id, kind, raw)?;
        }
        Ok(id)
    }

    /// Writes the pack, if there is anything in it; returns its bytes.
    pub(super) fn finish(self) -> Result<u64, StoreError> {
        if self.written.is_empty() { Ok(0) } else { Ok(self.writer.finish()?.0) }
    }

    /// Puts a whole tree and returns its root object.
    pub(super) fn put_tree(&mut self, tree: &Tree) -> Result<ObjectId, StoreError> {
        let paths = tree.walk_inodes();
        let mut done: BTreeMap<Ino, ObjectId> = BTreeMap::new();
        // What is below comes later in the walk, so from its end every directory finds its own.
        for ino in paths.iter().rev().map(|(_, ino)| *ino).chain([ROOT]) {
            if tree.directory(ino).is_ok() {
                let id = self.put_directory(tree, ino, &done)?;
                done.insert(ino, id);
            }
        }
        let Some(root) = tree.inode(ROOT) else { unreachable!("every tree has a root") };
        let links = hard_links(tree, &paths);
        let mut encoder = Encoder::default();
        encoder.number(u64::from(root.mode)).number(root.modified).id(&done[&ROOT]);
        encoder.number(links.len() as u64);
        for group in links {
            encoder.number(group.len() as u64);
            for path in group {
                encoder.bytes(path.as_bytes());
            }
        }
        self.put(Kind::Tree, &encoder.finish())
    }

    fn put_directory(
        &mut self,
        tree: &Tree,
        ino: Ino,
        done: &BTreeMap<Ino, ObjectId>,
    ) -> Result<ObjectId, StoreError> {
        let mut items = vec![];
        for (name, child) in tree.entries(ino).into_iter().flatten() {
            let Some(inode) = tree.inode(*child) else { continue };
            let mut encoder = Encoder::default();
            encoder.bytes(name.as_bytes());
            if self.put_node(&mut encoder, inode, done.get(child))? {
                let number = ObjectId::of(Kind::Directory, name.as_bytes()).number();
                items.push(Item { number, bytes: encoder.finish() });
            }
        }
        pages::write(Kind::Directory, items, |kind, raw| self.put(kind, &raw))
    }

    /// Puts what an entry leads to and encodes the entry; false for what is not stored.
    fn put_node(
        &mut self,
        encoder: &mut Encoder,
        inode: &Inode,
        directory: Option<&ObjectId>,
    ) -> Result<bool, StoreError> {
        let mut head = |kind: u8| {
            encoder.byte(kind).number(u64::from(inode.mode)).number(inode.modified);
        };
        match (&inode.node, directory) {
            (Node::File(content), _) => {
                head(entry::FILE);
                self.put_content(encoder, content)?;
            }
            (Node::Symlink(target), _) => {
                head(entry::SYMLINK);
                encoder.bytes(target.as_bytes());
            }
            (Node::Directory(_), Some(id)) => {
                head(entry::DIRECTORY);
                encoder.id(id);
            }
            (Node::Directory(_), None) => unreachable!("directories below were put before"),
            (Node::Device(_), _) => return Ok(false),
        }
        Ok(true)
    }

    fn put_content(&mut self, encoder: &mut Encoder, content: &Content) -> Result<(), StoreError> {
        encoder.number(content.len());
        if content.len() <= MAX_INLINE_BYTES {
            encoder.byte(form::INLINE).bytes(&content.to_bytes());
            return Ok(());
        }
        let items = self.put_chunks(content)?;
        match &items[..] {
            [(id, only)] if only[0] == item::DATA => {
                encoder.byte(form::ONE_CHUNK).id(id);
            }
            _ => {
                let item = |(id, bytes): (ObjectId, Vec<u8>)| Item { number: id.number(), bytes };
                let items = items.into_iter().map(item).collect();
                let top = pages::write(Kind::List, items, |kind, raw| self.put(kind, &raw))?;
                encoder.byte(form::LIST).id(&top);
            }
        }
        Ok(())
    }

    /// Puts the chunks of a file; returns an item of its list for each, with the hash that decides
    /// where the list is cut.
    fn put_chunks(&mut self, content: &Content) -> Result<Vec<(ObjectId, Vec<u8>)>, StoreError> {
        let mut items = vec![];
        let mut window: Vec<u8> = vec![];
        for run in content.runs() {
            match run {
                Run::Data(bytes) if window.is_empty() && bytes.len() > WINDOW_BYTES => {
                    let n_left = self.cut(&bytes, false, &mut items)?;
                    window.extend_from_slice(&bytes[bytes.len() - n_left..]);
                }
                Run::Data(bytes) => {
                    window.extend_from_slice(&bytes);
                    if window.len() >= WINDOW_BYTES {
                        let n_left = self.cut(&window, false, &mut items)?;
                        window.drain(..window.len() - n_left);
                    }
                }
                Run::Hole(n_bytes) => {
                    self.cut(&window, true, &mut items)?;
                    window.clear();
                    let mut encoder = Encoder::default();
                    encoder.byte(item::HOLE).number(n_bytes);
                    let bytes = encoder.finish();
                    items.push((ObjectId::of(Kind::List, &bytes), bytes));
                }
            }
        }
        self.cut(&window, true, &mut items)?;
        Ok(items)
    }

    /// Cuts bytes into chunks. Unless they are the last, the end is left for the bytes that follow;
    /// returns how many are.
    fn cut(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        items: &mut Vec<(ObjectId, Vec<u8>)>,
    ) -> Result<usize, StoreError> {
        let (least, average, most) = CHUNK_BYTES;
        for chunk in FastCDC::new(bytes, least, average, most) {
            // Within reach of the end, the cut might depend on what follows.
            if !is_last && bytes.len() - chunk.offset < most {
                return Ok(bytes.len() - chunk.offset);
            }
            let data = &bytes[chunk.offset..chunk.offset + chunk.length];
            let id = self.put(Kind::Chunk, data)?;
            let mut encoder = Encoder::default();
            encoder.byte(item::DATA).number(data.len() as u64).id(&id);
            items.push((id, encoder.finish()));
        }
        Ok(0)
    }
}

/// Returns the paths of each file that has several names, in the order of the walk.
fn hard_links<'a>(tree: &Tree, paths: &'a [(String, Ino)]) -> Vec<Vec<&'a str>> {
    let mut groups: BTreeMap<Ino, Vec<&str>> = BTreeMap::new();
    for (path, ino) in paths {
        let is_shared = tree.inode(*ino).is_some_and(|inode| {
            inode.nlink > 1 && matches!(inode.node, Node::File(_) | Node::Symlink(_))
        });
        if is_shared {
            groups.entry(*ino).or_default().push(path);
        }
    }
    let mut groups: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}
