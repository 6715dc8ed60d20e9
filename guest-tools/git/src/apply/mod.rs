//! `git apply`: patches read and applied with git's rules: exact context, found where the lines have moved.

mod hunks;
pub(crate) mod parse;

use std::collections::BTreeMap;

use git2::ObjectType;

use crate::args::{self, Opt, Words, flag, value};
use crate::diff::binary;
use crate::fail::{Outcome, fatal, io_text, plain, refuse};
use crate::out::{self, note, outln};
use crate::place::{Globals, Place};
use crate::quote::lossy;
use crate::stage::{self, FILE, LINK, PROGRAM, Stage};
use crate::sys::{self, Kind};
use crate::work::Work;
use parse::{Binary, Patch};

const USAGE: &str = "git apply [<options>] [<patch>...]";
const TABLE: &[Opt] = &[
    value(' ', "exclude"),
    value(' ', "include"),
    value('p', "p"),
    flag(' ', "no-add"),
    flag(' ', "stat"),
    flag(' ', "allow-binary-replacement"),
    flag(' ', "binary"),
    flag(' ', "numstat"),
    flag(' ', "summary"),
    flag(' ', "check"),
    flag(' ', "index"),
    flag('N', "intent-to-add"),
    flag(' ', "cached"),
    flag(' ', "unsafe-paths"),
    flag(' ', "apply"),
    flag('3', "3way"),
    flag(' ', "ours"),
    flag(' ', "theirs"),
    value(' ', "build-fake-ancestor"),
    flag('z', "z"),
    value('C', "C"),
    value(' ', "whitespace"),
    flag(' ', "ignore-space-change"),
    flag(' ', "ignore-whitespace"),
    flag('R', "reverse"),
    flag(' ', "unidiff-zero"),
    flag(' ', "reject"),
    flag(' ', "allow-overlap"),
    flag('v', "verbose"),
    flag('q', "quiet"),
    flag(' ', "inaccurate-eof"),
    flag(' ', "recount"),
    value(' ', "directory"),
    flag(' ', "allow-empty"),
];

pub(crate) fn run(globals: &Globals, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    if words.has("3way") {
        return Err(refuse("apply --3way"));
    }
    let found = Place::find(globals)?;
    let uses_index = words.has("index") || words.has("cached");
    if found.is_none() && uses_index {
        let name = if words.has("index") { "--index" } else { "--cached" };
        return Err(fatal(format!("'{name}' outside a repository")));
    }
    let apart;
    let place = match &found {
        Some(place) => place,
        None => {
            let mut nowhere = Place::nowhere(globals)?;
            nowhere.tree_root = Some(std::env::current_dir()?);
            apart = nowhere;
            &apart
        }
    };
    let mut text = vec![];
    let files =
        if words.operands.is_empty() { vec!["-".to_owned()] } else { words.operands.clone() };
    for file in &files {
        text.extend(read(file)?);
    }
    let applied = apply(place, &words, &text)?;
    Ok(i32::from(!applied))
}

fn read(file: &str) -> Outcome<Vec<u8>> {
    if file == "-" {
        let mut text = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)?;
        return Ok(text);
    }
    std::fs::read(file)
        .map_err(|e| plain(128, format!("error: can't open patch '{file}': {}", io_text(&e))))
}

/// Applies all patches of a text, or none; whether all hunks fit.
pub(crate) fn apply(place: &Place, words: &Words, text: &[u8]) -> Outcome<bool> {
    let level = words
        .value("p")
        .map_or(Ok(1), str::parse::<usize>)
        .map_err(|_| fatal("option -p expects a non-negative integer"))?;
    let mut patches = parse::parse(text, level, words.has("recount"), words.has("unidiff-zero"))?;
    if patches.is_empty() {
        if words.has("allow-empty") {
            return Ok(true);
        }
        return Err(plain(128, "error: No valid patches in input (allow with \"--allow-empty\")"));
    }
    let folder =
        words.value("directory").map(|folder| format!("{}/", folder.trim_end_matches('/')));
    for patch in &mut patches {
        if words.has("reverse") {
            patch.reverse();
        }
        patch.prefix(&[&place.prefix, folder.as_deref().unwrap_or_default().as_bytes()].concat());
    }
    if words.has("reverse") {
        patches.reverse();
    }
    keep_wanted(words, &mut patches);
    let only_shows = ["stat", "numstat", "summary"].iter().any(|name| words.has(name));
    let mut whole = true;
    if !only_shows
        || words.has("apply")
        || words.has("check")
        || words.has("index")
        || words.has("cached")
    {
        let mut applying = Applying::new(place, words)?;
        whole = applying.all(&patches)?;
    }
    if only_shows {
        show(words, &patches);
    }
    Ok(whole)
}

fn keep_wanted(words: &Words, patches: &mut Vec<Patch>) {
    let rules = crate::wildmatch::Rules::default();
    let fits = |patch: &Patch, pattern: &str| {
        crate::wildmatch::fits(pattern.as_bytes(), patch.name(), rules)
    };
    patches.retain(|patch| {
        let excluded = words.values("exclude").any(|pattern| fits(patch, pattern));
        let mut includes = words.values("include").peekable();
        !excluded && (includes.peek().is_none() || includes.any(|pattern| fits(patch, pattern)))
    });
}

/// A file as patches made it.
#[derive(Clone)]
struct File {
    content: Vec<u8>,
    mode: u32,
}

struct Applying<'a> {
    place: &'a Place,
    words: &'a Words,
    work: Work<'a>,
    stage: Option<Stage>,
    /// What paths are after the patches so far; none where they were deleted.
    files: BTreeMap<Vec<u8>, Option<File>>,
    rejects: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Applying<'a> {
    fn new(place: &'a Place, words: &'a Words) -> Outcome<Self> {
        let uses_index = words.has("index") || words.has("cached") || words.has("intent-to-add");
        let stage = if uses_index { Some(Stage::open(place)?) } else { None };
        Ok(Self {
            place,
            words,
            work: Work::new(place),
            stage,
            files: BTreeMap::new(),
            rejects: vec![],
        })
    }

    fn all(&mut self, patches: &[Patch]) -> Outcome<bool> {
        let mut errors = vec![];
        for patch in patches {
            if self.words.has("verbose") || self.words.has("reject") {
                note(format!("Checking patch {}...", lossy(patch.name())));
            }
            if let Err(text) = self.one(patch) {
                errors.push(format!(
                    "{text}\nerror: {}: patch does not apply",
                    lossy(patch.old_or_new())
                ));
            }
        }
        if !errors.is_empty() {
            let kept: Vec<String> = errors
                .iter()
                .map(|text| {
                    if text.contains("patch failed:") {
                        text.clone()
                    } else {
                        text.split("\nerror: ").next().unwrap_or(text).to_owned()
                    }
                })
                .collect();
            return Err(plain(1, kept.join("\n")));
        }
        if self.words.has("check") {
            return Ok(true);
        }
        self.write()?;
        for (path, text) in &self.rejects {
            std::fs::write(self.place.file(&[path, &b".rej"[..]].concat()), text)?;
        }
        Ok(self.rejects.is_empty())
    }

    /// What a path is now: from earlier patches, the index, or the files.
    fn current(&self, path: &[u8]) -> Result<Option<File>, String> {
        if let Some(known) = self.files.get(path) {
            return Ok(known.clone());
        }
        let name = lossy(path).into_owned();
        let entry = self
            .stage
            .as_ref()
            .filter(|_| !self.words.has("intent-to-add"))
            .map(|stage| stage.get(path));
        if self.words.has("cached") {
            return match entry.flatten() {
                Some(entry) => {
                    let content = self.place.read(entry.id).map_err(|fail| fail.text)?;
                    Ok(Some(File { content, mode: entry.mode }))
                }
                None => Ok(None),
            };
        }
        let Some(meta) = self.work.find_straight(path) else { return Ok(None) };
        if meta.kind == Kind::Folder {
            return Err(format!("error: {name}: is a directory"));
        }
        let content =
            self.work.stored(path, &meta).map_err(|e| format!("error: {name}: {}", io_text(&e)))?;
        let mode = self.work.mode(&meta, None);
        if let Some(entry) = entry {
            let Some(entry) = entry else {
                return Err(format!("error: {name}: does not exist in index"));
            };
            let stage = self.stage.as_ref().expect("it has the entry");
            if !matches!(
                crate::diff::collect::fate(&self.work, stage, &entry),
                crate::diff::collect::Fate::Same(_)
            ) {
                return Err(format!("error: {name}: does not match index"));
            }
        }
        Ok(Some(File { content, mode }))
    }

    fn one(&mut self, patch: &Patch) -> Result<(), String> {
        let missing = |name: &[u8], index: bool| {
            let name = lossy(name);
            if index {
                format!("error: {name}: does not exist in index")
            } else {
                format!("error: {name}: No such file or directory")
            }
        };
        let mut file = match &patch.old {
            Some(old) => {
                let found = self.current(old)?;
                Some(found.ok_or_else(|| missing(old, self.words.has("cached")))?)
            }
            None => None,
        };
        if let (Some(new), true) = (&patch.new, patch.old != patch.new)
            && self.exists(new)?
        {
            let place = if self.words.has("cached") { "index" } else { "working directory" };
            return Err(format!("error: {}: already exists in {place}", lossy(new)));
        }
        if let (Some(found), Some(mode)) = (&file, patch.old_mode)
            && (found.mode & 0o170_000) != (mode & 0o170_000)
        {
            return Err(format!("error: {}: wrong type", lossy(patch.old_or_new())));
        }
        let before = file.as_ref().map(|file| file.content.clone()).unwrap_or_default();
        let content = self.content(patch, &before)?;
        let mode = patch.new_mode.or(file.as_ref().map(|file| file.mode)).unwrap_or(FILE);
        if patch.new.is_none() && !content.is_empty() {
            return Err(format!(
                "error: removal patch leaves file contents\nerror: {}: patch does not apply",
                lossy(patch.old_or_new())
            ));
        }
        if let Some(old) = patch.old.as_ref().filter(|_| !patch.copy)
            && patch.old != patch.new
        {
            self.files.insert(old.clone(), None);
        }
        file = Some(File { content, mode });
        if let Some(new) = &patch.new {
            self.files.insert(new.clone(), file);
        }
        Ok(())
    }

    fn exists(&self, path: &[u8]) -> Result<bool, String> {
        if let Some(known) = self.files.get(path) {
            return Ok(known.is_some());
        }
        if self.words.has("cached") {
            return Ok(self.stage.as_ref().is_some_and(|stage| stage.get(path).is_some()));
        }
        Ok(self.work.find_straight(path).is_some())
    }

    fn content(&mut self, patch: &Patch, before: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(packed) = &patch.binary {
            return self.binary(patch, packed, before);
        }
        let blanks = self.words.has("ignore-space-change") || self.words.has("ignore-whitespace");
        let least = self.words.value("C").and_then(|n| n.parse().ok());
        let how = hunks::How { blanks, least_context: least, zero: self.words.has("unidiff-zero") };
        let (content, failed) = hunks::apply(before, &patch.hunks, &how, patch.old.is_none());
        for (n, moved) in &failed.moved {
            if self.words.has("verbose") {
                note(format!("Hunk #{n} succeeded at {} (offset {} lines).", moved.0, moved.1));
            }
        }
        let content = self.fix_blanks(patch, content);
        if failed.hunks.is_empty() {
            return Ok(content);
        }
        if self.words.has("reject") {
            let name = lossy(patch.name()).into_owned();
            let n = failed.hunks.len();
            note(format!(
                "Applying patch {name} with {n} reject{}...",
                if n == 1 { "" } else { "s" }
            ));
            let mut text = format!("diff a/{name} b/{name}\t(rejected hunks)\n").into_bytes();
            failed.hunks.iter().for_each(|at| text.extend(patch.hunks[*at].text()));
            self.rejects.push((patch.name().to_vec(), text));
            return Ok(content);
        }
        let first = &patch.hunks[failed.hunks[0]];
        Err(format!("error: patch failed: {}:{}", lossy(patch.old_or_new()), first.old.0))
    }

    /// `--whitespace=fix`.
    fn fix_blanks(&self, patch: &Patch, content: Vec<u8>) -> Vec<u8> {
        if !matches!(self.words.value("whitespace"), Some("fix" | "strip")) {
            return content;
        }
        let added: std::collections::HashSet<&[u8]> = patch
            .hunks
            .iter()
            .flat_map(|h| &h.lines)
            .filter(|l| l.0 == b'+')
            .map(|l| l.1.as_slice())
            .collect();
        let fixed = content.split_inclusive(|b| *b == b'\n').map(|line| {
            if !added.contains(line) {
                return line.to_vec();
            }
            let mut text = line.strip_suffix(b"\n").unwrap_or(line).trim_ascii_end().to_vec();
            if line.ends_with(b"\n") {
                text.push(b'\n');
            }
            text
        });
        fixed.flatten().collect()
    }

    fn binary(&self, patch: &Patch, packed: &Binary, before: &[u8]) -> Result<Vec<u8>, String> {
        let name = lossy(patch.name()).into_owned();
        let (kind, data, size) = match packed {
            Binary::Absent => {
                return Err(format!(
                    "error: cannot apply binary patch to '{name}' without full index line"
                ));
            }
            Binary::Data { delta, packed, size } => (*delta, packed, *size),
        };
        let bad = || format!("error: corrupt binary patch for '{name}'");
        let plain = binary::inflate(data, size).ok_or_else(bad)?;
        if let Some(id) = &patch.old_id
            && !id.starts_with("0000000")
        {
            let found =
                git2::Oid::hash_object(ObjectType::Blob, before).map_err(|_| bad())?.to_string();
            if !found.starts_with(id.as_str()) {
                return Err(format!(
                    "error: the patch applies to '{name}' ({id}), which does not match the current contents."
                ));
            }
        }
        if kind { binary::undelta(before, &plain).ok_or_else(bad) } else { Ok(plain) }
    }

    fn write(&mut self) -> Outcome<()> {
        let files = std::mem::take(&mut self.files);
        let cached = self.words.has("cached");
        // What goes makes room for what comes.
        for path in files.iter().filter(|(_, file)| file.is_none()).map(|(path, _)| path) {
            if !cached {
                self.work.remove(path);
            }
            if let Some(stage) = &mut self.stage {
                stage.remove(path);
            }
        }
        for (path, file) in files.iter().filter_map(|(path, file)| Some((path, file.as_ref()?))) {
            let mode = if matches!(file.mode, LINK | PROGRAM) { file.mode } else { FILE };
            if !cached {
                self.work.write_content(path, mode, &file.content)?;
            }
            let Some(stage) = &mut self.stage else { continue };
            if self.words.has("intent-to-add") {
                if stage.get(path).is_none() {
                    let empty = self.place.repo.odb()?.write(ObjectType::Blob, b"")?;
                    stage.put(&stage::announced(path, mode, empty))?;
                }
                continue;
            }
            let id = self.place.repo.odb()?.write(ObjectType::Blob, &file.content)?;
            let entry = match sys::find(&self.place.file(path)).filter(|_| !cached) {
                Some(meta) => stage::known(path, mode, id, &meta),
                None => stage::blank(path, mode, id),
            };
            stage.put(&entry)?;
        }
        if let Some(stage) = &mut self.stage {
            stage.write()?;
        }
        Ok(())
    }
}

/// `--stat`, `--numstat`, `--summary`.
fn show(words: &Words, patches: &[Patch]) {
    let count = |patch: &Patch, sign: u8| {
        patch.hunks.iter().flat_map(|h| &h.lines).filter(|l| l.0 == sign).count()
    };
    if words.has("stat") {
        let shown: Vec<(String, usize, usize, bool)> = patches
            .iter()
            .map(|p| (p.shown_name(), count(p, b'+'), count(p, b'-'), p.binary.is_some()))
            .collect();
        crate::diff::stat::print_plain(&shown);
    }
    for patch in patches {
        if words.has("numstat") {
            if patch.binary.is_some() {
                outln!("-\t-\t{}", lossy(patch.name()));
            } else {
                outln!("{}\t{}\t{}", count(patch, b'+'), count(patch, b'-'), lossy(patch.name()));
            }
        }
    }
    if words.has("summary") {
        for patch in patches {
            let name = lossy(patch.name()).into_owned();
            match (&patch.old, &patch.new) {
                (None, _) => outln!(" create mode {:06o} {name}", patch.new_mode.unwrap_or(FILE)),
                (_, None) => outln!(" delete mode {:06o} {name}", patch.old_mode.unwrap_or(FILE)),
                (Some(old), Some(new)) if old != new => {
                    let word = if patch.copy { "copy" } else { "rename" };
                    outln!(" {word} {} ({}%)", patch.shown_name(), patch.similarity);
                }
                _ => {
                    if let (Some(old), Some(new)) = (patch.old_mode, patch.new_mode)
                        && old != new
                    {
                        outln!(" mode change {old:06o} => {new:06o} {name}");
                    }
                }
            }
        }
    }
    out::bytes(b"");
}
