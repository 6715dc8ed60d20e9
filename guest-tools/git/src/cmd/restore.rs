//! `git restore`, and `git checkout` of paths.

use git2::{Oid, Tree};

use crate::args::{self, Opt, Words, flag, value};
use crate::diff::collect::{self, Fate};
use crate::fail::{Outcome, error, fatal, plain, refuse};
use crate::out::note;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, Stage};
use crate::tree::{self, Item};
use crate::work::Work;
use crate::xdiff;

const USAGE: &str = "git restore [<options>] [--source=<branch>] <file>...";
const TABLE: &[Opt] = &[
    value('s', "source"),
    flag('S', "staged"),
    flag('W', "worktree"),
    flag('p', "patch"),
    flag('q', "quiet"),
    flag(' ', "progress"),
    flag(' ', "ours"),
    flag('2', "ours"),
    flag(' ', "theirs"),
    flag('3', "theirs"),
    flag('m', "merge"),
    value(' ', "conflict"),
    flag(' ', "ignore-unmerged"),
    flag(' ', "overlay"),
    flag(' ', "ignore-skip-worktree-bits"),
    flag(' ', "recurse-submodules"),
    value(' ', "pathspec-from-file"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let mut words = args::parse(USAGE, TABLE, words)?;
    place.root()?;
    if words.has("patch") {
        return Err(refuse("interactive `git restore -p`"));
    }
    if let Some(file) = words.value("pathspec-from-file") {
        words.operands = super::add::read_paths(file, false)?;
    }
    if words.operands.is_empty() {
        return Err(fatal("you must specify path(s) to restore"));
    }
    let staged = words.has("staged");
    let worktree = words.has("worktree") || !staged;
    let source =
        words.value("source").map(str::to_owned).or_else(|| staged.then(|| "HEAD".to_owned()));
    let restoring =
        Restoring { place, words: &words, index: staged, worktree, overlay: words.has("overlay") };
    restoring.run(source.as_deref(), &words.operands)?;
    Ok(0)
}

/// `git checkout [TREE] -- PATHS`.
pub(crate) fn from_checkout(
    place: &Place,
    words: &Words,
    source: Option<&str>,
    paths: &[String],
) -> Outcome {
    let no_overlay = words.given.iter().rev().find(|g| g.name == "overlay").is_some_and(|g| g.no);
    let restoring =
        Restoring { place, words, index: source.is_some(), worktree: true, overlay: !no_overlay };
    let n = restoring.run(source, paths)?;
    let quiet = words.has("quiet") || words.dashes.is_some();
    if !quiet {
        let s = if n == 1 { "" } else { "s" };
        match source {
            Some(name) => {
                let tree = place.resolve(name)?.peel_to_tree()?.id();
                note(format!("Updated {n} path{s} from {}", place.short(tree)));
            }
            None => note(format!("Updated {n} path{s} from the index")),
        }
    }
    Ok(0)
}

struct Restoring<'a> {
    place: &'a Place,
    words: &'a Words,
    index: bool,
    worktree: bool,
    /// Files that the source does not have stay.
    overlay: bool,
}

impl Restoring<'_> {
    /// Returns how many files were written.
    fn run(&self, source: Option<&str>, words: &[String]) -> Outcome<usize> {
        let paths = Pathspec::new(self.place, words)?;
        let mut stage = Stage::open(self.place)?;
        match source {
            Some(name) => {
                let tree = self.source(name)?;
                self.from_tree(&mut stage, tree.as_ref(), &paths)
            }
            None => self.from_index(&mut stage, &paths),
        }
    }

    fn source(&self, name: &str) -> Outcome<Option<Tree<'_>>> {
        if let Some((a, b)) = name.split_once("...") {
            let commit =
                |name: &str| self.place.commit(if name.is_empty() { "HEAD" } else { name });
            let base = self.place.repo.merge_base(commit(a)?.id(), commit(b)?.id())?;
            return Ok(Some(self.place.repo.find_commit(base)?.tree()?));
        }
        match crate::rev::single(self.place, name) {
            Some(object) => Ok(Some(
                object
                    .peel_to_tree()
                    .map_err(|_| fatal(format!("reference is not a tree: {name}")))?,
            )),
            // Before the first commit HEAD is empty.
            None if name == "HEAD" => Ok(None),
            None => Err(fatal(format!("could not resolve {name}"))),
        }
    }

    fn unmatched(&self, paths: &Pathspec, known: &[&[u8]]) -> Outcome<()> {
        let mut texts = vec![];
        for item in &paths.items {
            let one = Pathspec { items: vec![item.clone()] };
            if one.unmatched(known.iter().copied()).is_some() {
                texts.push(format!(
                    "error: pathspec '{}' did not match any file(s) known to git",
                    item.word
                ));
            }
        }
        if texts.is_empty() { Ok(()) } else { Err(plain(1, texts.join("\n"))) }
    }

    fn from_index(&self, stage: &mut Stage, paths: &Pathspec) -> Outcome<usize> {
        let entries = stage.entries();
        let known: Vec<&[u8]> = entries.iter().map(|entry| entry.path.as_slice()).collect();
        self.unmatched(paths, &known)?;
        let wanted: Vec<_> = entries.iter().filter(|entry| paths.fits(&entry.path)).collect();
        let unmerged: Vec<&Vec<u8>> = {
            let mut list: Vec<&Vec<u8>> =
                wanted.iter().filter(|e| stage::stage(e) > 0).map(|e| &e.path).collect();
            list.dedup();
            list
        };
        let by_side = ["ours", "theirs", "merge"].iter().find(|name| self.words.has(name));
        let skip = self.words.has("force") || self.words.has("ignore-unmerged");
        if !unmerged.is_empty() && by_side.is_none() && !skip {
            let lines: Vec<String> = unmerged
                .iter()
                .map(|p| format!("error: path '{}' is unmerged", lossy(p)))
                .collect();
            return Err(plain(1, lines.join("\n")));
        }
        let work = Work::new(self.place);
        let mut n = 0;
        for entry in
            wanted.iter().filter(|entry| stage::stage(entry) == 0 && !stage::is_announced(entry))
        {
            let same = matches!(collect::fate(&work, stage, entry), Fate::Same(_))
                && work.find_straight(&entry.path).is_some();
            if !same {
                let entry = work.write(&entry.path, entry.mode, entry.id)?;
                stage.put(&entry)?;
                n += 1;
            }
        }
        if let Some(side) = by_side {
            for path in &unmerged {
                self.side(&work, stage, path, side)?;
                n += 1;
            }
        }
        stage.write()?;
        Ok(n)
    }

    /// Writes one side of a conflict, or the conflict again.
    fn side(&self, work: &Work<'_>, stage: &Stage, path: &[u8], side: &str) -> Outcome<()> {
        let get = |n: i32| stage.index.get_path(crate::sys::path(path), n);
        if side == "merge" {
            let text = |n: i32| get(n).map_or_else(|| Ok(vec![]), |e| self.place.read(e.id));
            let how = xdiff::Merge { ours: "ours", theirs: "theirs", ..xdiff::Merge::default() };
            let (content, _) = xdiff::merge(&text(1)?, &text(2)?, &text(3)?, &how);
            return work.write_content(path, get(2).map_or(stage::FILE, |e| e.mode), &content);
        }
        let n = if side == "ours" { 2 } else { 3 };
        let entry = get(n).ok_or_else(|| {
            error(format!(
                "path '{}' does not have {} version",
                lossy(path),
                if n == 2 { "our" } else { "their" }
            ))
        })?;
        work.write(path, entry.mode, entry.id).map(drop)
    }

    fn from_tree(
        &self,
        stage: &mut Stage,
        tree: Option<&Tree<'_>>,
        paths: &Pathspec,
    ) -> Outcome<usize> {
        let items = self.items(tree, paths)?;
        let entries = stage.entries();
        let mut known: Vec<&[u8]> = items.iter().map(|item| item.path.as_slice()).collect();
        if !self.overlay {
            known.extend(entries.iter().map(|entry| entry.path.as_slice()));
        }
        self.unmatched(paths, &known)?;
        let work = Work::new(self.place);
        let mut n = 0;
        for item in items.iter().filter(|item| paths.fits(&item.path)) {
            n += usize::from(self.one(&work, stage, item)?);
        }
        if !self.overlay {
            let find =
                |path: &[u8]| items.binary_search_by(|item| item.path.as_slice().cmp(path)).is_ok();
            for entry in
                entries.iter().filter(|entry| paths.fits(&entry.path) && !find(&entry.path))
            {
                if self.index {
                    stage.remove(&entry.path);
                }
                if self.worktree {
                    work.remove(&entry.path);
                }
                n += 1;
            }
        }
        stage.write()?;
        Ok(n)
    }

    /// What of a tree is meant.
    fn items(&self, tree: Option<&Tree<'_>>, paths: &Pathspec) -> Outcome<Vec<Item>> {
        let Some(root) = tree else { return Ok(vec![]) };
        let sides =
            tree::differences(self.place, None, Some(root), &|folder| paths.reaches(folder))?;
        let mut items: Vec<Item> = sides
            .into_iter()
            .filter_map(|(_, new)| new)
            .filter(|item| paths.fits(&item.path))
            .collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(items)
    }

    fn one(&self, work: &Work<'_>, stage: &mut Stage, item: &Item) -> Outcome<bool> {
        let entry = stage
            .get(&item.path)
            .filter(|e| e.id == item.id && e.mode == item.mode && !stage::is_announced(e));
        let mut written = false;
        if self.worktree {
            let same = match &entry {
                Some(entry) => matches!(collect::fate(work, stage, entry), Fate::Same(_)),
                None => self.file_is(work, item),
            };
            if !same || work.find_straight(&item.path).is_none() {
                let entry = work.write(&item.path, item.mode, item.id)?;
                if self.index {
                    stage.put(&entry)?;
                }
                return Ok(true);
            }
        }
        if self.index && entry.is_none() {
            stage.put(&stage::blank(&item.path, item.mode, item.id))?;
            written = true;
        }
        Ok(written)
    }

    fn file_is(&self, work: &Work<'_>, item: &Item) -> bool {
        let Some(meta) = work.find(&item.path) else { return false };
        let id: Option<Oid> = work.hash(&item.path, &meta).ok();
        id == Some(item.id) && work.mode(&meta, Some(item.mode)) == item.mode
    }
}
