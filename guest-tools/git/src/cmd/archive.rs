//! `git archive`: a tree as tar, tar.gz or zip, byte for byte as git writes them.

mod deflate;
mod tar;
mod zip;

use git2::{ObjectType, Oid, Tree};

use crate::args::{self, Words, flag, value};
use crate::attr::Attributes;
use crate::date;
use crate::fail::{Outcome, fatal, plain};
use crate::out;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::{rev, sys, tree};

const USAGE: &str = "git archive [<options>] <tree-ish> [<path>...]";

/// What stands in an archive.
struct Entry {
    /// With a slash at its end if it is a folder.
    path: Vec<u8>,
    mode: u32,
    content: Vec<u8>,
    id: Oid,
}

/// What is archived.
struct Source {
    /// The commit, if it is one.
    commit: Option<Oid>,
    /// Seconds since 1970.
    time: i64,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    TarGz,
    Zip,
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    // `-9` is a level of compression.
    let is_level = |word: &&String| {
        word.len() == 2 && word.starts_with('-') && word.as_bytes()[1].is_ascii_digit()
    };
    let level = words.iter().find(is_level).and_then(|word| word[1..].parse().ok());
    let words: Vec<String> = words.iter().filter(|word| !is_level(word)).cloned().collect();
    let table = &[
        value(' ', "format"),
        value(' ', "prefix"),
        value(' ', "add-file"),
        value('o', "output"),
        flag(' ', "worktree-attributes"),
        flag('v', "verbose"),
        value(' ', "mtime"),
        flag('l', "list"),
    ];
    let words = args::parse(USAGE, table, &words)?;
    if words.has("list") {
        out::bytes(b"tar\ntgz\ntar.gz\nzip\n");
        return Ok(0);
    }
    let [name, paths @ ..] = words.operands.as_slice() else {
        return Err(plain(129, format!("usage: {USAGE}\n   or: git archive --list")));
    };
    let format = format(&words)?;
    let source = source(place, &words, name, paths)?;
    let bytes = match format {
        Format::Tar => tar::archive(&source),
        Format::TarGz => deflate::gzip(&tar::archive(&source), level)?,
        Format::Zip => zip::archive(&source, level)?,
    };
    match words.value("output") {
        Some(file) => std::fs::write(file, bytes).map_err(|e| {
            fatal(format!("could not create archive file '{file}': {}", crate::fail::io_text(&e)))
        })?,
        None => out::bytes(&bytes),
    }
    Ok(0)
}

/// The format that was asked for, or that the name of the output has.
fn format(words: &Words) -> Outcome<Format> {
    let by_name = |name: &str| match name {
        "tar" => Some(Format::Tar),
        "tgz" | "tar.gz" => Some(Format::TarGz),
        "zip" => Some(Format::Zip),
        _ => None,
    };
    if let Some(name) = words.value("format") {
        return by_name(name).ok_or_else(|| fatal(format!("Unknown archive format '{name}'")));
    }
    let output = words.value("output").unwrap_or_default();
    let endings = ["tar.gz", "tgz", "zip", "tar"];
    let ending = endings.iter().find(|it| output.ends_with(&format!(".{it}")));
    Ok(ending.and_then(|it| by_name(it)).unwrap_or(Format::Tar))
}

fn source(place: &Place, words: &Words, name: &str, paths: &[String]) -> Outcome<Source> {
    let object = rev::single(place, name)
        .ok_or_else(|| fatal(format!("not a valid object name: {name}")))?;
    let commit = object.peel_to_commit().ok();
    let root =
        object.peel_to_tree().map_err(|_| fatal(format!("not a tree object: {}", object.id())))?;
    let time = match words.value("mtime") {
        Some(text) => date::approximate(text).unwrap_or_else(date::now),
        None => commit.as_ref().map_or_else(date::now, |it| it.committer().when().seconds()),
    };
    let root = below(place, root)?;
    let is_inside = !place.prefix.is_empty() && commit.is_some();
    let here = Place::discover(&place.globals)?;
    let wanted = pathspec(&here, paths, is_inside)?;
    let prefix = words.value("prefix").unwrap_or_default().as_bytes().to_vec();
    let mut collector = Collector {
        place,
        attributes: Attributes::new(place),
        wanted,
        base: prefix.clone(),
        entries: vec![],
    };
    collector.folder(&root, &mut vec![])?;
    let reached: Vec<&[u8]> = collector.entries.iter().map(|it| &it.path[prefix.len()..]).collect();
    for path in paths {
        let one = pathspec(&here, std::slice::from_ref(path), is_inside)?;
        if !reached.iter().any(|it| one.fits(it.strip_suffix(b"/").unwrap_or(it))) {
            return Err(fatal(format!("pathspec '{path}' did not match any files")));
        }
    }
    let mut entries = collector.entries;
    if prefix.ends_with(b"/") {
        let kept = prefix.iter().rposition(|b| *b != b'/').map_or(1, |at| at + 2);
        let path = prefix[..kept].to_vec();
        entries.insert(0, Entry { path, mode: 0o40777, content: vec![], id: root.id() });
    }
    for file in words.values("add-file") {
        entries.push(added(&prefix, file)?);
    }
    if words.has("verbose") {
        entries.iter().for_each(|it| out::note(lossy(&it.path)));
    }
    Ok(Source { commit: commit.map(|it| it.id()), time, entries })
}

/// In a folder of the working tree only what is below it is archived.
fn below<'a>(place: &'a Place, root: Tree<'a>) -> Outcome<Tree<'a>> {
    let Some(folder) = place.prefix.strip_suffix(b"/") else { return Ok(root) };
    match tree::lookup(&root, folder) {
        Some(item) if item.mode == 0o40000 => Ok(place.repo.find_tree(item.id)?),
        _ => Err(fatal("current working directory is untracked")),
    }
}

/// Paths are those of the archive: none stands for what is above the folder.
fn pathspec(place: &Place, paths: &[String], is_inside: bool) -> Outcome<Pathspec> {
    let top = |path: &String| if is_inside { format!(":(top){path}") } else { path.clone() };
    Pathspec::new(place, &paths.iter().map(top).collect::<Vec<_>>())
}

/// A file of the working folder.
fn added(prefix: &[u8], file: &str) -> Outcome<Entry> {
    let failed =
        |e: std::io::Error| fatal(format!("cannot read '{file}': {}", crate::fail::io_text(&e)));
    let path = std::path::Path::new(file);
    let meta = sys::lstat(path).map_err(failed)?;
    let content = std::fs::read(path).map_err(failed)?;
    let name = file.rsplit('/').next().unwrap_or(file);
    let mode = if meta.executable { 0o100755 } else { 0o100644 };
    let id = Oid::hash_object(ObjectType::Blob, &content)?;
    Ok(Entry { path: [prefix, name.as_bytes()].concat(), mode, content, id })
}

struct Collector<'a> {
    place: &'a Place,
    attributes: Attributes,
    wanted: Pathspec,
    /// What stands before each path.
    base: Vec<u8>,
    entries: Vec<Entry>,
}

impl Collector<'_> {
    fn folder(&mut self, tree: &Tree<'_>, at: &mut Vec<u8>) -> Outcome<()> {
        for entry in tree {
            let len = at.len();
            at.extend_from_slice(entry.name_bytes());
            if !self.is_ignored(at) {
                self.entry(entry.id(), entry.filemode_raw() as u32, at)?;
            }
            at.truncate(len);
        }
        Ok(())
    }

    fn is_ignored(&self, path: &[u8]) -> bool {
        let full = [&self.place.prefix[..], path].concat();
        self.attributes.value(self.place, &full, "export-ignore").as_deref() == Some("true")
    }

    fn entry(&mut self, id: Oid, mode: u32, at: &mut Vec<u8>) -> Outcome<()> {
        let path = [&self.base[..], at].concat();
        let is_folder = mode == 0o40000 || mode == 0o160000;
        if !is_folder {
            if self.wanted.is_empty() || self.wanted.fits(at) {
                let content = self.place.read(id)?;
                self.entries.push(Entry { path, mode, content, id });
            }
            return Ok(());
        }
        let first = self.entries.len();
        let path = [&path[..], b"/"].concat();
        self.entries.push(Entry { path, mode, content: vec![], id });
        if mode == 0o40000 {
            let tree = self.place.repo.find_tree(id)?;
            at.push(b'/');
            self.folder(&tree, at)?;
            at.pop();
        }
        // A folder stands there for what is in it.
        let is_meant = self.wanted.is_empty() || self.wanted.fits_as(at, true);
        if !is_meant && self.entries.len() == first + 1 {
            self.entries.pop();
        }
        Ok(())
    }
}
