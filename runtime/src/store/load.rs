//! From objects to a tree.

use super::{
    codec::Decoder,
    error::StoreError,
    object::{Kind, ObjectId},
    packs::Packs,
    pages::{self, Page},
    save::{entry, form, item},
};
use crate::tree::{Content, Ino, Node, ROOT, Tree};
use std::collections::BTreeSet;

/// The root object of a tree.
#[derive(Debug)]
pub(super) struct TreeRoot {
    mode: u32,
    modified: u64,
    pub(super) directory: ObjectId,
    links: Vec<Vec<String>>,
}

/// An entry of a directory.
#[derive(Debug)]
struct Entry {
    name: String,
    mode: u32,
    modified: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    File(File),
    Directory(ObjectId),
    Symlink(String),
}

#[derive(Debug)]
struct File {
    len: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Inline(Vec<u8>),
    OneChunk(ObjectId),
    List(ObjectId),
}

/// An item of a file's list.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Data(u64, ObjectId),
    Hole(u64),
}

fn decode_root(raw: &[u8]) -> Option<TreeRoot> {
    let mut decoder = Decoder::new(raw);
    let mode = u32::try_from(decoder.number()?).ok()?;
    let (modified, directory) = (decoder.number()?, decoder.id()?);
    let mut links = vec![];
    for _ in 0..decoder.number()? {
        let mut group = vec![];
        for _ in 0..decoder.number()? {
            group.push(decoder.text()?.to_owned());
        }
        links.push(group);
    }
    decoder.is_done().then_some(TreeRoot { mode, modified, directory, links })
}

fn decode_entry(decoder: &mut Decoder<'_>) -> Option<Entry> {
    let name = decoder.text()?.to_owned();
    if matches!(&name[..], "" | "." | "..") || name.contains(['/', '\0']) {
        return None;
    }
    let kind = decoder.byte()?;
    let mode = u32::try_from(decoder.number()?).ok()?;
    let modified = decoder.number()?;
    let what = match kind {
        entry::FILE => What::File(decode_file(decoder)?),
        entry::DIRECTORY => What::Directory(decoder.id()?),
        entry::SYMLINK => What::Symlink(decoder.text()?.to_owned()),
        _ => return None,
    };
    Some(Entry { name, mode, modified, what })
}

fn decode_file(decoder: &mut Decoder<'_>) -> Option<File> {
    let len = decoder.number()?;
    let form = match decoder.byte()? {
        form::INLINE => Form::Inline(decoder.bytes()?.to_vec()),
        form::ONE_CHUNK => Form::OneChunk(decoder.id()?),
        form::LIST => Form::List(decoder.id()?),
        _ => return None,
    };
    Some(File { len, form })
}

fn decode_chunk(decoder: &mut Decoder<'_>) -> Option<Chunk> {
    match decoder.byte()? {
        item::DATA => Some(Chunk::Data(decoder.number()?, decoder.id()?)),
        item::HOLE => Some(Chunk::Hole(decoder.number()?)),
        _ => None,
    }
}

/// Reads the root of a tree.
pub(super) fn read_root(packs: &Packs, id: ObjectId) -> Result<TreeRoot, StoreError> {
    decode_root(&packs.read(Kind::Tree, id)?).ok_or_else(|| packs.undecodable(id))
}

/// Reads a list from its uppermost page down.
fn read_list<T>(
    packs: &Packs,
    kind: Kind,
    top: ObjectId,
    item: impl Fn(&mut Decoder<'_>) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let mut items = vec![];
    let mut pending = vec![(top, u8::MAX)];
    while let Some((id, above)) = pending.pop() {
        let raw = packs.read(kind, id)?;
        match pages::decode(&raw, &item) {
            Some(Page::Items(found)) => items.extend(found),
            // A level below each time: no list is without end.
            Some(Page::Pages(level, below)) if level < above => {
                pending.extend(below.into_iter().rev().map(|id| (id, level)));
            }
            _ => return Err(packs.undecodable(id)),
        }
    }
    Ok(items)
}

/// Reads a tree. What cannot be read goes to `on_damage` with its path, which says whether to go on
/// without it.
pub(super) fn read_tree(
    packs: &Packs,
    id: ObjectId,
    on_damage: &mut dyn FnMut(String, StoreError) -> Result<(), StoreError>,
) -> Result<Tree, StoreError> {
    let root = read_root(packs, id)?;
    let mut tree = Tree::new();
    let mut directories = vec![(String::new(), ROOT, root.directory, root.mode, root.modified)];
    let mut next = 0;
    while let Some((path, ino, directory, ..)) = directories.get(next).cloned() {
        next += 1;
        let entries = match read_list(packs, Kind::Directory, directory, decode_entry) {
            Ok(entries) => entries,
            Err(error) => {
                on_damage(path, error)?;
                continue;
            }
        };
        for entry in entries {
            let path = crate::tree::join(&path, &entry.name);
            match add(packs, &mut tree, ino, &entry) {
                Ok(child) => {
                    if let What::Directory(id) = entry.what {
                        directories.push((path, child, id, entry.mode, entry.modified));
                    }
                }
                Err(error) => on_damage(path, error)?,
            }
        }
    }
    root.links.iter().for_each(|group| relink(&mut tree, group));
    for (_, ino, _, mode, modified) in directories {
        if let Some(inode) = tree.inode_mut(ino) {
            (inode.mode, inode.modified, inode.changed) = (mode & 0o7777, modified, modified);
        }
    }
    Ok(tree)
}

fn add(packs: &Packs, tree: &mut Tree, parent: Ino, entry: &Entry) -> Result<Ino, StoreError> {
    let node = match &entry.what {
        What::File(file) => Node::File(read_file(packs, file)?),
        What::Directory(_) => Tree::new_directory(),
        What::Symlink(target) => Node::Symlink(target.as_str().into()),
    };
    let created = tree.create(parent, &entry.name, node, entry.mode, entry.modified);
    created.map_err(|errno| StoreError::Io {
        action: "make",
        path: entry.name.clone().into(),
        source: std::io::Error::other(errno),
    })
}

fn read_file(packs: &Packs, file: &File) -> Result<Content, StoreError> {
    let (content, source) = match &file.form {
        Form::Inline(bytes) => return Ok(Content::Whole(bytes.clone().into())),
        Form::OneChunk(id) => (Content::Whole(packs.read(Kind::Chunk, *id)?.into()), *id),
        Form::List(top) => (read_chunks(packs, *top)?, *top),
    };
    if content.len() == file.len { Ok(content) } else { Err(packs.undecodable(source)) }
}

fn read_chunks(packs: &Packs, top: ObjectId) -> Result<Content, StoreError> {
    let chunks = read_list(packs, Kind::List, top, decode_chunk)?;
    let mut content = Content::default();
    let mut at = 0_u64;
    for chunk in chunks {
        let n_bytes = match chunk {
            Chunk::Hole(n_bytes) => n_bytes,
            Chunk::Data(n_bytes, id) => {
                let bytes = packs.read(Kind::Chunk, id)?;
                if bytes.len() as u64 != n_bytes {
                    return Err(packs.undecodable(id));
                }
                content.write_at(at, &bytes);
                n_bytes
            }
        };
        let end = at.checked_add(n_bytes).filter(|end| *end <= crate::vfs::MAX_FILE_BYTES);
        at = end.ok_or_else(|| packs.undecodable(top))?;
    }
    content.set_len(at);
    Ok(content)
}

/// Makes the paths of a group names of one file, as they were.
fn relink(tree: &mut Tree, group: &[String]) {
    let find = |tree: &Tree, path: &str| tree.find(path).ok().flatten();
    let Some(first) = group.iter().find_map(|path| find(tree, path)) else { return };
    for path in group {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(parent) = find(tree, above) else { continue };
        match tree.lookup(parent, name) {
            Ok(Some(ino)) if ino != first => {
                let now = tree.inode(first).map_or(0, |inode| inode.modified);
                // Both succeed: the entry is there, and its place is free after.
                let _unlinked = tree.unlink(parent, name, |_| false, now);
                let _linked = tree.link(first, parent, name, now);
            }
            _ => {}
        }
    }
}

/// Returns every object that a tree needs, itself included.
pub(super) fn reach(
    packs: &Packs,
    id: ObjectId,
    seen: &mut BTreeSet<ObjectId>,
) -> Result<(), StoreError> {
    if !seen.insert(id) {
        return Ok(());
    }
    let mut directories = vec![read_root(packs, id)?.directory];
    while let Some(top) = directories.pop() {
        if seen.contains(&top) {
            continue;
        }
        reach_pages(packs, Kind::Directory, top, seen)?;
        for entry in read_list(packs, Kind::Directory, top, decode_entry)? {
            match entry.what {
                What::Directory(id) => directories.push(id),
                What::File(File { form: Form::OneChunk(id), .. }) => {
                    seen.insert(id);
                }
                What::File(File { form: Form::List(top), .. }) if !seen.contains(&top) => {
                    reach_pages(packs, Kind::List, top, seen)?;
                    for chunk in read_list(packs, Kind::List, top, decode_chunk)? {
                        if let Chunk::Data(_, id) = chunk {
                            seen.insert(id);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Adds all pages of a list.
fn reach_pages(
    packs: &Packs,
    kind: Kind,
    top: ObjectId,
    seen: &mut BTreeSet<ObjectId>,
) -> Result<(), StoreError> {
    let mut pending = vec![top];
    while let Some(id) = pending.pop() {
        seen.insert(id);
        // Items are of no interest here, and of two kinds: only the level is looked at.
        let raw = packs.read(kind, id)?;
        if let Some(Page::Pages(_, below)) = pages::decode(&raw, |_| Some(())) {
            pending.extend(below);
        }
    }
    Ok(())
}
