//! How a rebase begins: what it is for, and the list of what it does.

use git2::Commit;

use super::rebase::{FOLDER, check_clean, forget, keep, work_off};
use super::replay;
use super::switch::{self, Doing};
use super::todo::{self, Line, Todo, Verb};
use crate::args::Words;
use crate::fail::{Outcome, fatal, plain, quiet};
use crate::out::{note, outln};
use crate::place::Place;
use crate::stage::Stage;
use crate::{programs, refs, rev};

const START: Doing = Doing { name: "checkout", before: "switch branches" };

/// A rebase that is about to begin.
pub(super) struct Start<'a> {
    place: &'a Place,
    words: &'a Words,
    /// The branch that is moved; none if HEAD is a commit.
    branch: Option<String>,
    tip: Commit<'a>,
    /// None with `--root`.
    upstream: Option<Commit<'a>>,
    onto: Option<Commit<'a>>,
    onto_name: String,
}

impl<'a> Start<'a> {
    pub(super) fn new(place: &'a Place, words: &'a Words) -> Outcome<Self> {
        let is_root = words.has("root");
        let mut operands = words.operands.iter();
        let upstream_name = match (is_root, operands.next()) {
            (true, first) => {
                operands = words.operands.iter();
                let _: Option<&String> = first;
                None
            }
            (false, Some(name)) if name == "-" => Some("@{-1}".to_owned()),
            (false, Some(name)) => Some(name.clone()),
            (false, None) => Some(tracked(place)?),
        };
        let commit = |name: &str| rev::single(place, name)?.peel_to_commit().ok();
        let upstream = match &upstream_name {
            Some(name) => {
                Some(commit(name).ok_or_else(|| fatal(format!("invalid upstream '{name}'")))?)
            }
            None => None,
        };
        let (branch, tip) = match operands.next() {
            Some(name) => {
                let full = format!("refs/heads/{name}");
                let branch = place.repo.find_reference(&full).is_ok().then_some(full);
                let tip = commit(name);
                (branch, tip.ok_or_else(|| fatal(format!("no such branch/commit '{name}'")))?)
            }
            None => {
                let tip =
                    place.head().ok_or_else(|| fatal("Could not resolve HEAD to a commit"))?;
                (place.head_ref(), tip)
            }
        };
        let onto_name = words.value("onto").map(str::to_owned).or(upstream_name);
        let onto = match &onto_name {
            Some(_) if words.has("keep-base") => merge_base(place, upstream.as_ref(), &tip),
            Some(name) => Some(onto(place, name)?),
            None => None,
        };
        let onto_name = onto_name.unwrap_or_default();
        Ok(Self { place, words, branch, tip, upstream, onto, onto_name })
    }

    pub(super) fn run(&self) -> Outcome {
        check_clean(self.place)?;
        let interactive = self.words.has("interactive");
        let execs: Vec<&str> = self.words.values("exec").collect();
        let forced = self.words.has("force-rebase")
            || self.words.given.iter().any(|given| given.name == "ff" && given.no);
        if self.is_up_to_date() && !interactive && execs.is_empty() && !self.words.has("root") {
            let name = self.branch.as_deref().map_or("HEAD", refs::shortened);
            let what = if name == "HEAD" {
                "HEAD is up to date".to_owned()
            } else {
                format!("Current branch {name} is up to date")
            };
            if !forced {
                self.switch_to_branch()?;
                if !self.words.has("quiet") {
                    outln!("{what}.");
                }
                return Ok(0);
            }
            if !self.words.has("quiet") {
                outln!("{what}, rebase forced.");
            }
        }
        let mut lines = self.lines()?;
        let wants_autosquash = self.words.has("autosquash")
            || (interactive && self.place.setting_bool("rebase.autosquash") == Some(true));
        if wants_autosquash {
            lines = todo::autosquash(self.place, lines);
        }
        for command in &execs {
            lines = todo::with_exec(lines, command);
        }
        self.write_state(&lines)?;
        if interactive {
            lines = self.edited(lines)?;
        }
        if forced {
            keep(self.place, "force", "")?;
        }
        self.begin(lines, forced)
    }

    /// Only the branch has to be checked out.
    fn switch_to_branch(&self) -> Outcome<()> {
        let Some(branch) = &self.branch else { return Ok(()) };
        if self.place.head_ref().as_ref() == Some(branch) {
            return Ok(());
        }
        let words = ["-q".to_owned(), refs::shortened(branch).to_owned()];
        crate::cmd::checkout::checkout(self.place, &words).map(drop)
    }

    /// Whether the commits are where they would be put.
    fn is_up_to_date(&self) -> bool {
        let (Some(onto), Some(upstream)) = (&self.onto, &self.upstream) else { return false };
        let base = |other: &Commit<'_>| self.place.repo.merge_base(other.id(), self.tip.id()).ok();
        if base(onto) != Some(onto.id()) || base(upstream) != Some(onto.id()) {
            return false;
        }
        let mut at = self.tip.clone();
        while at.id() != onto.id() {
            let mut parents = at.parents();
            match (parents.next(), parents.next()) {
                (Some(parent), None) => at = parent,
                _ => return false,
            }
        }
        true
    }

    fn lines(&self) -> Outcome<Vec<Line>> {
        let upstream = self.upstream.as_ref().map(Commit::id);
        let ids = replay::commits(self.place, upstream, self.tip.id())?;
        let known = match upstream {
            Some(id) if !self.words.has("reapply-cherry-picks") => {
                replay::patches(self.place, &replay::commits(self.place, Some(self.tip.id()), id)?)?
            }
            _ => vec![],
        };
        let mut lines = vec![];
        let mut skipped = false;
        for id in ids {
            let commit = self.place.repo.find_commit(id)?;
            if !known.is_empty()
                && replay::patch(self.place, &commit)?.is_some_and(|patch| known.contains(&patch))
            {
                note(format!(
                    "warning: skipped previously applied commit {}",
                    self.place.short(id)
                ));
                skipped = true;
                continue;
            }
            lines.push(Line::pick(self.place, &commit));
        }
        if skipped {
            note(
                "hint: use --reapply-cherry-picks to include skipped commits\n\
                 hint: Disable this message with \"git config advice.skippedCherryPicks false\"",
            );
        }
        Ok(lines)
    }

    fn write_state(&self, lines: &[Line]) -> Outcome<()> {
        let place = self.place;
        std::fs::create_dir_all(place.meta(FOLDER))?;
        keep(place, "head-name", self.branch.as_deref().unwrap_or("detached HEAD"))?;
        keep(place, "orig-head", &self.tip.id().to_string())?;
        let onto = self.onto.as_ref().map_or_else(|| self.tip.id(), Commit::id);
        keep(place, "onto", &onto.to_string())?;
        std::fs::write(place.meta(FOLDER).join("interactive"), "")?;
        if self.words.has("quiet") {
            keep(place, "quiet", "t")?;
        }
        let options: Vec<&str> = self.words.values("strategy-option").collect();
        keep(place, "strategy_opts", &options.join(" "))?;
        Todo::new(lines.to_vec()).write(place)
    }

    fn edited(&self, lines: Vec<Line>) -> Outcome<Vec<Line>> {
        let place = self.place;
        let file = place.meta(FOLDER).join("git-rebase-todo");
        let onto = self.onto.as_ref().map_or_else(String::new, |onto| place.short(onto.id()));
        let from =
            self.upstream.as_ref().map_or_else(String::new, |it| place.short(it.id()) + "..");
        let shown = todo::for_editor(place, &lines, &from, &place.short(self.tip.id()), &onto);
        std::fs::write(&file, shown)?;
        let Some(editor) = programs::editor(place, true) else {
            forget(place);
            return Err(plain(1, "error: Terminal is dumb, but EDITOR unset\n"));
        };
        if !programs::edit(place, &editor, &file)? {
            forget(place);
            return Err(quiet(1));
        }
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines = todo::parse(place, &text).map_err(|text| plain(1, text))?;
        if lines.is_empty() {
            forget(place);
            return Err(plain(1, "error: nothing to do"));
        }
        Ok(lines)
    }

    /// Goes to the new base, behind those commits that are there already.
    fn begin(&self, lines: Vec<Line>, forced: bool) -> Outcome {
        let place = self.place;
        let mut todo = Todo::new(lines);
        let mut target = self.onto.clone();
        while !forced && let Some(line) = todo.next_line() {
            let commit = line.id.and_then(|id| place.repo.find_commit(id).ok());
            let follows = commit.as_ref().is_some_and(|commit| {
                let parent = commit.parent_id(0).ok();
                commit.parent_count() == 1 && parent == target.as_ref().map(Commit::id)
            });
            if line.verb != Verb::Pick || !follows {
                break;
            }
            target = commit;
            todo.take();
        }
        todo.write(place)?;
        std::fs::write(place.meta("ORIG_HEAD"), format!("{}\n", self.tip.id()))?;
        if let Some(target) = &target {
            let mut stage = Stage::open(place)?;
            let new = target.tree()?;
            switch::switch(place, &mut stage, place.head_tree().as_ref(), Some(&new), &START)
                .map_err(|fail| {
                    forget(place);
                    plain(1, format!("{}\nerror: could not detach HEAD", fail.text))
                })?;
            stage.write()?;
            let name = &self.onto_name;
            refs::detach_head(place, target.id(), &format!("rebase (start): checkout {name}"))?;
        }
        work_off(place, todo)
    }
}

fn merge_base<'a>(
    place: &'a Place,
    upstream: Option<&Commit<'_>>,
    tip: &Commit<'_>,
) -> Option<Commit<'a>> {
    let base = place.repo.merge_base(upstream?.id(), tip.id()).ok()?;
    place.repo.find_commit(base).ok()
}

/// The new base: a commit, or where two have parted.
fn onto<'a>(place: &'a Place, name: &str) -> Outcome<Commit<'a>> {
    let wrong = || fatal(format!("Does not point to a valid commit '{name}'"));
    let commit = |name: &str| {
        let name = if name.is_empty() { "HEAD" } else { name };
        rev::single(place, name)?.peel_to_commit().ok()
    };
    if let Some((a, b)) = name.split_once("...") {
        let (a, b) = (commit(a).ok_or_else(wrong)?, commit(b).ok_or_else(wrong)?);
        let base = place.repo.merge_base(a.id(), b.id());
        let base = base.map_err(|_| fatal(format!("'{name}': need exactly one merge base")))?;
        return Ok(place.repo.find_commit(base)?);
    }
    commit(name).ok_or_else(wrong)
}

/// The upstream of the branch, or git's advice to name one.
fn tracked(place: &Place) -> Outcome<String> {
    let Some(branch) = place.branch() else {
        return Err(plain(
            1,
            "You are not currently on a branch.\nPlease specify which branch you want to rebase against.\n\
             See git-rebase(1) for details.\n\n    git rebase '<branch>'\n",
        ));
    };
    if let Some((upstream, _)) = crate::status::tracking(place, &branch) {
        return Ok(upstream);
    }
    outln!(
        "There is no tracking information for the current branch.\n\
         Please specify which branch you want to rebase against.\n\
         See git-rebase(1) for details.\n\n    git rebase '<branch>'\n\n\
         If you wish to set tracking information for this branch you can do so with:\n\n    \
         git branch --set-upstream-to=<remote>/<branch> {branch}\n"
    );
    Err(quiet(1))
}
