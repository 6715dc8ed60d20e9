//! `git status`, and what `git commit` shows when there is nothing to commit.

mod branch;
mod long;
mod short;

pub(crate) use branch::{detached, tracking, tracking_text};

use std::collections::BTreeMap;

use git2::Oid;

use crate::args::{self, Opt, flag, maybe};
use crate::diff::{Diff, Options, Pair, collect};
use crate::fail::{Outcome, fatal};
use crate::ignore::Ignore;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::stage::{self, Stage};
use crate::untracked::{self, Wanted};

const USAGE: &str = "git status [<options>] [--] [<pathspec>...]";
const TABLE: &[Opt] = &[
    flag('s', "short"),
    flag('b', "branch"),
    maybe(' ', "porcelain"),
    flag(' ', "long"),
    flag('v', "verbose"),
    flag('z', "null"),
    maybe('u', "untracked-files"),
    maybe(' ', "ignored"),
    maybe(' ', "ignore-submodules"),
    flag(' ', "show-stash"),
    flag(' ', "ahead-behind"),
    flag(' ', "renames"),
    maybe('M', "find-renames"),
    maybe(' ', "column"),
];

/// How the status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Long,
    Short,
    Porcelain,
    Porcelain2,
}

/// Which files that the index does not know are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untracked {
    No,
    Normal,
    All,
}

/// What is wanted.
pub(crate) struct Request {
    pub(crate) format: Format,
    pub(crate) untracked: Untracked,
    pub(crate) ignored: bool,
    pub(crate) branch: bool,
    pub(crate) nul: bool,
    pub(crate) verbose: bool,
    pub(crate) renames: bool,
    /// It is told for `commit --amend`.
    pub(crate) amend: bool,
    pub(crate) paths: Pathspec,
}

/// What became of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) staged: Option<Pair>,
    pub(crate) unstaged: Option<Pair>,
    /// Which of the stages 1, 2, 3 are there, as bits.
    pub(crate) stages: u8,
}

/// All that there is to tell.
pub(crate) struct Report<'a> {
    pub(crate) place: &'a Place,
    pub(crate) request: Request,
    pub(crate) changes: BTreeMap<Vec<u8>, Change>,
    pub(crate) untracked: Vec<Vec<u8>>,
    pub(crate) ignored: Vec<Vec<u8>>,
    pub(crate) diff: Diff<'a>,
    pub(crate) head: Option<Oid>,
    pub(crate) stage: Stage,
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    let mut request = Request::usual(place);
    for given in &words.given {
        match given.name {
            "short" => request.format = if given.no { Format::Long } else { Format::Short },
            "long" => request.format = Format::Long,
            "branch" => request.branch = !given.no,
            "porcelain" => {
                request.format = match given.text() {
                    "" | "v1" | "1" => Format::Porcelain,
                    "v2" | "2" => Format::Porcelain2,
                    other => return Err(fatal(format!("unsupported porcelain version '{other}'"))),
                }
            }
            "null" => request.nul = true,
            "verbose" => request.verbose = true,
            "untracked-files" => request.untracked = untracked_mode(given.value.as_deref())?,
            "ignored" => request.ignored = !given.no && given.text() != "no",
            "renames" => request.renames = !given.no,
            _ => {}
        }
    }
    if request.nul && request.format == Format::Long {
        request.format = Format::Porcelain;
    }
    request.paths = Pathspec::new(place, &words.operands)?;
    let report = Report::make(place, request)?;
    report.print();
    Ok(0)
}

/// The value of `-u`.
pub(crate) fn untracked_mode(value: Option<&str>) -> Outcome<Untracked> {
    match value {
        None | Some("all") => Ok(Untracked::All),
        Some("normal" | "true" | "yes" | "on") => Ok(Untracked::Normal),
        Some("no" | "false" | "off") => Ok(Untracked::No),
        Some(other) => Err(fatal(format!("Invalid untracked files mode '{other}'"))),
    }
}

impl Request {
    /// What the configuration says.
    pub(crate) fn usual(place: &Place) -> Self {
        let mode = place.setting("status.showuntrackedfiles");
        let short = place.setting_bool("status.short") == Some(true);
        Self {
            format: if short { Format::Short } else { Format::Long },
            untracked: mode
                .and_then(|m| untracked_mode(Some(&m)).ok())
                .unwrap_or(Untracked::Normal),
            ignored: false,
            branch: place.setting_bool("status.branch") == Some(true),
            nul: false,
            verbose: false,
            renames: place.setting_bool("status.renames").unwrap_or(true),
            amend: false,
            paths: Pathspec::default(),
        }
    }
}

impl<'a> Report<'a> {
    pub(crate) fn make(place: &'a Place, request: Request) -> Outcome<Self> {
        place.root()?;
        let stage = Stage::open(place)?;
        Self::of(place, request, stage)
    }

    /// The report about an index.
    pub(crate) fn of(place: &'a Place, request: Request, stage: Stage) -> Outcome<Self> {
        let mut options = Options::default();
        if !request.renames {
            options.renames = crate::diff::options::Renames::No;
        }
        let mut report = Self {
            place,
            changes: BTreeMap::new(),
            untracked: vec![],
            ignored: vec![],
            diff: Diff::new(place, options),
            head: place.head_id(),
            stage,
            request,
        };
        report.collect()?;
        Ok(report)
    }

    fn collect(&mut self) -> Outcome<()> {
        for entry in self.stage.index.iter() {
            let n = stage::stage(&entry);
            if n > 0 && self.request.paths.fits(&entry.path) {
                self.changes.entry(entry.path).or_default().stages |= 1 << (n - 1);
            }
        }
        let tree = self.place.head_tree();
        let staged =
            collect::tree_index(self.place, tree.as_ref(), &self.stage, &self.request.paths)?;
        for pair in self.diff.refine(staged).into_iter().filter(|pair| !pair.unmerged) {
            let path = pair.path().to_vec();
            self.changes.entry(path).or_default().staged = Some(pair);
        }
        let look = collect::index_work(&self.diff.work, &self.stage, &self.request.paths);
        let conflicts = &self.changes;
        let is_conflict =
            |pair: &Pair| pair.unmerged || conflicts.get(pair.path()).is_some_and(|c| c.stages > 0);
        let unstaged: Vec<Pair> =
            look.pairs.into_iter().filter(|pair| !is_conflict(pair)).collect();
        for pair in self.diff.refine(unstaged) {
            let path = pair.path().to_vec();
            self.changes.entry(path).or_default().unstaged = Some(pair);
        }
        self.refresh(look.refreshed);
        if self.request.untracked != Untracked::No || self.request.ignored {
            let mut ignore = Ignore::new(self.place);
            let wanted = Wanted {
                paths: &self.request.paths,
                folders: self.request.untracked != Untracked::All,
                empty_folders: false,
                ignored: self.request.ignored,
            };
            let found = untracked::scan(self.place, &self.stage, &mut ignore, &wanted);
            (self.untracked, self.ignored) = (found.untracked, found.ignored);
            if self.request.untracked == Untracked::No {
                self.untracked.clear();
            }
        }
        Ok(())
    }

    /// Keeps the times of files that proved to be the same, so that they need not be read again.
    fn refresh(&mut self, entries: Vec<git2::IndexEntry>) {
        refresh(&mut self.stage, entries);
    }

    pub(crate) fn print(&self) {
        match self.request.format {
            Format::Long => long::print(self),
            Format::Short | Format::Porcelain => short::print(self),
            Format::Porcelain2 => short::print2(self),
        }
    }

    /// Whether something is staged, or a merge waits to be committed.
    pub(crate) fn is_committable(&self) -> bool {
        let staged = self.changes.values().any(|change| change.staged.is_some());
        let conflict = self.changes.values().any(|change| change.stages > 0);
        staged || (!conflict && self.place.meta("MERGE_HEAD").exists())
    }
}

/// Writes times that were found out into the index; that it cannot be written does not matter.
pub(crate) fn refresh(stage: &mut Stage, entries: Vec<git2::IndexEntry>) {
    if entries.is_empty() {
        return;
    }
    for entry in &entries {
        if stage.index.add(entry).is_err() {
            return;
        }
    }
    drop(stage.write());
}
