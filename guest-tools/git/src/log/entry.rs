//! One commit after the other: its text, its differences, and the graph beside both.

use git2::{Commit, Oid, Tree};

use super::decorate::Names;
use super::graph::Graph;
use super::marks::Marks;
use super::options::Merges;
use super::pretty::{self, Context, Style};
use super::walk::Step;
use crate::diff::combined::{self, Combined};
use crate::diff::options::Renames;
use crate::diff::{Diff, Pair, collect};
use crate::fail::Outcome;
use crate::out;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::tree;

/// Prints commits.
pub(crate) struct Printer<'a> {
    pub(crate) place: &'a Place,
    pub(crate) diff: Diff<'a>,
    pub(crate) style: Style,
    pub(crate) names: Names,
    pub(crate) graph: Option<Graph>,
    pub(crate) merges: Merges,
    /// Commits without differences are shown too.
    pub(crate) always: bool,
    /// Paths of the differences.
    pub(crate) paths: Pathspec,
    /// The path that is followed through renames.
    pub(crate) follow: Option<Vec<u8>>,
    pub(crate) shown: bool,
    /// The last text did not end with the end of a line.
    pub(crate) open_end: bool,
    pub(crate) log: Option<(String, String, String)>,
    pub(crate) mark: String,
    pub(crate) marks: Marks,
    pub(crate) n_shown: usize,
    pub(crate) max: Option<usize>,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(place: &'a Place, diff: Diff<'a>, style: Style) -> Self {
        let text_names = matches!(&style.format, pretty::Format::User(text, _)
            if ["d", "D"].iter().any(|n| ["%", "%+", "%-", "% "].iter().any(|p| text.contains(&format!("{p}{n}")))) || text.contains("decorate"));
        let names = if style.decorate || text_names {
            Names::read(place, style.full_names)
        } else {
            Names::default()
        };
        Self {
            place,
            diff,
            style,
            names,
            graph: None,
            merges: Merges::Off,
            always: true,
            paths: Pathspec::default(),
            follow: None,
            shown: false,
            open_end: false,
            log: None,
            mark: String::new(),
            marks: Marks::default(),
            n_shown: 0,
            max: None,
        }
    }

    /// Prints a commit of a walk; `false` if it was the last that is wanted.
    pub(crate) fn print(&mut self, step: &Step) -> Outcome<bool> {
        if let Some(graph) = &mut self.graph {
            graph.update(step);
        }
        let commit = self.place.repo.find_commit(step.id)?;
        let shown = self.commit(&commit, &step.parents)?;
        self.n_shown += usize::from(shown);
        Ok(self.max.is_none_or(|max| self.n_shown < max))
    }

    /// Prints a commit; whether there was anything to print.
    pub(crate) fn commit(&mut self, commit: &Commit<'_>, parents: &[Oid]) -> Outcome<bool> {
        let wants = self.diff.options.formats.any() && !self.diff.options.formats.none;
        let searches = self.diff.options.pickaxe.is_some()
            || self.diff.options.filter.is_some()
            || self.follow.is_some();
        if !wants && !searches {
            self.text(commit, parents, None);
            return Ok(true);
        }
        let real: Vec<Oid> = commit.parent_ids().collect();
        match (real.len(), self.merges) {
            (2.., Merges::Off) => {
                if self.always {
                    self.text(commit, parents, None);
                }
                Ok(self.always)
            }
            (2.., Merges::Combined | Merges::Dense) => self.combined(commit, parents, &real),
            (2.., Merges::Separate) => {
                let mut any = false;
                for parent in &real {
                    any |= self.against(commit, parents, Some(*parent), true)?;
                }
                Ok(any)
            }
            _ => self.against(commit, parents, real.first().copied(), false),
        }
    }

    /// Prints a commit with lines that were made for it, which may be none.
    pub(crate) fn with_lines(&mut self, commit: &Commit<'_>, parents: &[Oid], lines: &[u8]) {
        self.text(commit, parents, None);
        if self.diff.options.formats.none {
            return;
        }
        if self.open_end && self.style.separates() {
            out::bytes(b"\n");
            self.open_end = false;
        }
        self.beside(b"\n");
        self.beside(lines);
    }

    fn tree(&self, id: Oid) -> Outcome<Tree<'a>> {
        Ok(self.place.repo.find_commit(id)?.tree()?)
    }

    fn against(
        &mut self,
        commit: &Commit<'_>,
        parents: &[Oid],
        parent: Option<Oid>,
        named: bool,
    ) -> Outcome<bool> {
        let old = parent.map(|id| self.tree(id)).transpose()?;
        let new = commit.tree()?;
        let pairs = match &self.follow {
            Some(path) => self.followed(old.as_ref(), &new, &path.clone())?,
            None => {
                let pairs = collect::trees(self.place, old.as_ref(), Some(&new), &self.paths)?;
                let harder =
                    self.diff.options.harder && self.diff.options.renames == Renames::Copies;
                if harder { collect::unchanged(self.place, old.as_ref(), pairs)? } else { pairs }
            }
        };
        let pairs = if self.follow.is_some() { pairs } else { self.diff.refine(pairs) };
        let nothing = pairs.is_empty();
        if nothing && !self.always && !named {
            return Ok(false);
        }
        self.text(commit, parents, parent.filter(|_| named));
        let formats = self.diff.options.formats;
        if !nothing && formats.any() && !formats.none {
            self.set_prefix();
            self.gap();
            let (result, text) = out::capture(|| self.diff.print(&pairs));
            result?;
            self.beside(&text);
        }
        Ok(true)
    }

    /// The change of a path; if it was renamed, the walk goes on with the old name.
    fn followed(
        &mut self,
        old: Option<&Tree<'_>>,
        new: &Tree<'_>,
        path: &[u8],
    ) -> Outcome<Vec<Pair>> {
        let one = Pathspec::literal(path);
        let pairs = self.diff.refine(collect::trees(self.place, old, Some(new), &one)?);
        let is_new = pairs.iter().any(|pair| pair.old.is_none());
        if !is_new || old.is_none() {
            return Ok(pairs);
        }
        let all = collect::trees(self.place, old, Some(new), &Pathspec::default())?;
        let found = self.diff.refine(all).into_iter().find(|pair| pair.path() == path);
        if let Some(pair) = found.filter(|pair| pair.renamed || pair.copied) {
            self.follow = Some(pair.old_path().to_vec());
            return Ok(vec![pair]);
        }
        Ok(pairs)
    }

    fn combined(&mut self, commit: &Commit<'_>, parents: &[Oid], real: &[Oid]) -> Outcome<bool> {
        let changes = combined_changes(self.place, commit, real, &self.paths)?;
        if changes.is_empty() && !self.always {
            return Ok(false);
        }
        self.text(commit, parents, None);
        let formats = self.diff.options.formats;
        let mut text = vec![];
        if formats.stat || formats.numstat || formats.shortstat || formats.summary {
            // Numbers are those against the first parent.
            let old = self.tree(real[0])?;
            let pairs = self.diff.refine(collect::trees(
                self.place,
                Some(&old),
                Some(&commit.tree()?),
                &self.paths,
            )?);
            let mut options = self.diff.options.clone();
            options.formats.patch = false;
            let diff = Diff::new(self.place, options);
            let (result, numbers) = out::capture(|| diff.print(&pairs));
            result?;
            text = numbers;
        }
        let dense = self.merges == Merges::Dense;
        if formats.name_only || formats.name_status || formats.raw {
            for change in &changes {
                combined_name(&self.diff, change, &mut text);
            }
        }
        if formats.patch {
            let (_, patches) = out::capture(|| {
                for change in &changes {
                    combined::print(&self.diff, change, dense);
                }
            });
            if !text.is_empty() && !patches.is_empty() {
                text.push(b'\n');
            }
            text.extend(patches);
        }
        // The empty line is there even if nothing follows.
        let empty_format =
            matches!(&self.style.format, pretty::Format::User(text, _) if text.is_empty());
        if !empty_format {
            if let Some(graph) = &mut self.graph {
                out::bytes(graph.padding().as_bytes());
            }
            out::bytes(b"\n");
        }
        self.beside(&text);
        Ok(true)
    }

    /// Diffs are as much narrower as the graph is wide.
    fn set_prefix(&mut self) {
        if let Some(graph) = &self.graph {
            let width =
                std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(80usize);
            self.diff.options.stat_width = Some(width.saturating_sub(graph.width()));
        }
    }

    /// The text of a commit with its place in the graph.
    fn text(&mut self, commit: &Commit<'_>, parents: &[Oid], from: Option<Oid>) {
        if self.shown && self.style.separates() {
            if !self.open_end
                && let Some(graph) = &mut self.graph
            {
                out::bytes(graph.padding().as_bytes());
            }
            out::bytes(if self.diff.options.nul { b"\0" } else { b"\n" });
        }
        self.shown = true;
        let context = Context {
            place: self.place,
            style: &self.style,
            names: &self.names,
            log: self.log.clone(),
            mark: &self.mark,
            marks: &self.marks,
            parents,
        };
        let mut text = pretty::show(commit, &context);
        if let Some(from) = from
            && !matches!(self.style.format, pretty::Format::User(..))
        {
            let from = if self.style.short_ids {
                self.place.short_of(from, self.style.digits)
            } else {
                from.to_string()
            };
            let oneline = self.style.format == pretty::Format::Oneline;
            let end = if oneline { b' ' } else { b'\n' };
            let at = text.iter().position(|b| *b == end).unwrap_or(0);
            text.splice(at..at, format!(" (from {from})").into_bytes());
        }
        if let Some(graph) = &mut self.graph {
            out::bytes(graph.up_to_commit().as_bytes());
        }
        self.open_end = text.last() != Some(&b'\n');
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        for (n, line) in lines.iter().enumerate() {
            if n > 0
                && let Some(graph) = &mut self.graph
            {
                out::bytes(graph.beside().as_bytes());
            }
            out::bytes(line);
        }
        if let Some(graph) = self.graph.as_mut().filter(|graph| !graph.is_finished()) {
            if self.open_end {
                out::bytes(b"\n");
            }
            out::bytes(graph.rest().as_bytes());
            if !self.open_end {
                out::bytes(b"\n");
            }
        }
        let empty_format =
            matches!(&self.style.format, pretty::Format::User(text, _) if text.is_empty());
        if !self.style.separates() && !empty_format {
            if !self.open_end
                && let Some(graph) = &mut self.graph
            {
                out::bytes(graph.padding().as_bytes());
            }
            out::bytes(if self.diff.options.nul { b"\0" } else { b"\n" });
        }
    }

    /// What is between a commit's text and its differences.
    fn gap(&mut self) {
        let formats = self.diff.options.formats;
        let empty_format =
            matches!(&self.style.format, pretty::Format::User(text, _) if text.is_empty());
        if self.style.format == pretty::Format::Oneline || empty_format {
            return;
        }
        if let Some(graph) = &mut self.graph {
            out::bytes(graph.padding().as_bytes());
        }
        let dashes = formats.patch && formats.stat;
        if self.open_end && self.style.separates() {
            out::bytes(b"\n");
            self.open_end = false;
            return;
        }
        out::bytes(if dashes { b"---\n" } else { b"\n" });
    }

    /// Prints lines with the graph beside them.
    fn beside(&mut self, text: &[u8]) {
        let Some(graph) = &mut self.graph else { return out::bytes(text) };
        for line in text.split_inclusive(|b| *b == b'\n') {
            out::bytes(graph.padding().as_bytes());
            out::bytes(line);
        }
    }
}

/// The paths in which a merge differs from all its parents.
pub(crate) fn combined_changes(
    place: &Place,
    commit: &Commit<'_>,
    parents: &[Oid],
    paths: &Pathspec,
) -> Outcome<Vec<Combined>> {
    let new = commit.tree()?;
    let mut common: Option<Vec<Vec<u8>>> = None;
    let mut trees = vec![];
    for parent in parents {
        let old = place.repo.find_commit(*parent)?.tree()?;
        let pairs = collect::trees(place, Some(&old), Some(&new), paths)?;
        let changed: Vec<Vec<u8>> = pairs.iter().map(|pair| pair.path().to_vec()).collect();
        common = Some(match common {
            None => changed,
            Some(before) => before.into_iter().filter(|path| changed.contains(path)).collect(),
        });
        trees.push(old);
    }
    let change = |path: Vec<u8>| Combined {
        parents: trees.iter().map(|tree| tree::lookup(tree, &path)).collect(),
        result: tree::lookup(&new, &path),
        content: None,
        path,
    };
    Ok(common.unwrap_or_default().into_iter().map(change).collect())
}

/// A path as `--name-only` and `--name-status` show it for a merge.
fn combined_name(diff: &Diff<'_>, change: &Combined, out: &mut Vec<u8>) {
    if diff.options.formats.name_status {
        for parent in &change.parents {
            out.push(match (parent, &change.result) {
                (None, _) => b'A',
                (_, None) => b'D',
                _ => b'M',
            });
        }
        out.push(b'\t');
    }
    out.extend(diff.quoted(&change.path));
    out.push(if diff.options.nul { b'\0' } else { b'\n' });
}
