//! `git merge`.

use git2::{Commit, Oid, Signature};

use super::apply;
use super::switch::{self, MERGE};
use super::trees::{self, How, Labels};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::cmd::commit::{clear_state, with_trailer};
use crate::cmd::message::{self, Cleanup};
use crate::diff::{Diff, Formats, collect};
use crate::fail::{Outcome, fatal, plain, refuse};
use crate::ident;
use crate::out::{note, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::refs;
use crate::stage::Stage;
use crate::xdiff;

const USAGE: &str =
    "git merge [<options>] [<commit>...]\n   or: git merge --abort\n   or: git merge --continue";
const TABLE: &[Opt] = &[
    flag('n', "n"),
    flag(' ', "stat"),
    flag(' ', "summary"),
    maybe(' ', "log"),
    flag(' ', "squash"),
    flag(' ', "commit"),
    flag('e', "edit"),
    value(' ', "cleanup"),
    flag(' ', "ff"),
    flag(' ', "ff-only"),
    flag(' ', "rerere-autoupdate"),
    flag(' ', "verify-signatures"),
    value('s', "strategy"),
    value('X', "strategy-option"),
    value('m', "message"),
    value('F', "file"),
    flag('v', "verbose"),
    flag('q', "quiet"),
    flag(' ', "abort"),
    flag(' ', "quit"),
    flag(' ', "continue"),
    flag(' ', "allow-unrelated-histories"),
    flag(' ', "progress"),
    maybe('S', "gpg-sign"),
    flag(' ', "autostash"),
    flag(' ', "signoff"),
    flag(' ', "verify"),
    value(' ', "into-name"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    place.root()?;
    if words.has("abort") {
        return abort(place);
    }
    if words.has("quit") {
        clear_state(place);
        return Ok(0);
    }
    if words.has("continue") {
        if !place.meta("MERGE_HEAD").exists() {
            return Err(fatal("There is no merge in progress (MERGE_HEAD missing)."));
        }
        return crate::cmd::commit::run(
            place,
            &["--no-edit", "--cleanup=strip"].map(str::to_owned),
        );
    }
    let stage = Stage::open(place)?;
    if stage.has_conflicts() {
        return Err(plain(
            128,
            "error: Merging is not possible because you have unmerged files.\n\
             hint: Fix them up in the work tree, and then use 'git add/rm <file>'\n\
             hint: as appropriate to mark resolution and make a commit.\n\
             fatal: Exiting because of an unresolved conflict.",
        ));
    }
    if place.meta("MERGE_HEAD").exists() {
        return Err(fatal(
            "You have not concluded your merge (MERGE_HEAD exists).\nPlease, commit your changes before you merge.",
        ));
    }
    let mut merging = Merging::new(place, &words, stage)?;
    merging.run()
}

/// Goes back to before the merge.
fn abort(place: &Place) -> Outcome {
    if !place.meta("MERGE_HEAD").exists() {
        return Err(fatal("There is no merge to abort (MERGE_HEAD missing)."));
    }
    let mut stage = Stage::open(place)?;
    switch::force(place, &mut stage, place.head_tree().as_ref())?;
    stage.write()?;
    clear_state(place);
    Ok(0)
}

struct Merging<'a> {
    place: &'a Place,
    words: &'a Words,
    stage: Stage,
    names: Vec<String>,
    theirs: Vec<Commit<'a>>,
    how: How,
}

/// The preferences of `-X`.
pub(crate) fn how<'a>(options: impl Iterator<Item = &'a str>) -> Outcome<How> {
    let mut how = How::default();
    for option in options {
        match option {
            "ours" => how.favor = 1,
            "theirs" => how.favor = 2,
            "union" => how.favor = 3,
            "ignore-all-space" => how.flags |= xdiff::IGNORE_ALL_SPACE,
            "ignore-space-change" => how.flags |= xdiff::IGNORE_SPACE_CHANGE,
            "ignore-space-at-eol" => how.flags |= xdiff::IGNORE_SPACE_AT_EOL,
            "ignore-cr-at-eol" => how.flags |= xdiff::IGNORE_CR_AT_EOL,
            "no-renames" => how.no_renames = true,
            "patience" => how.flags |= xdiff::PATIENCE,
            "histogram" | "diff-algorithm=histogram" => how.flags |= xdiff::HISTOGRAM,
            "find-renames" | "renormalize" | "no-renormalize" => {}
            other => return Err(fatal(format!("unknown strategy option: -X{other}"))),
        }
    }
    Ok(how)
}

impl<'a> Merging<'a> {
    fn new(place: &'a Place, words: &'a Words, stage: Stage) -> Outcome<Self> {
        if let Some(name) = words
            .value("strategy")
            .filter(|name| !matches!(*name, "ort" | "recursive" | "resolve" | "octopus" | "ours"))
        {
            return Err(refuse(format!("merge strategy '{name}'")));
        }
        let names = match words.operands.as_slice() {
            [] => {
                let branch = place.branch().unwrap_or_default();
                let upstream = crate::status::tracking(place, &branch).map(|(name, _)| name);
                vec![upstream.ok_or_else(|| fatal("No remote for the current branch."))?]
            }
            names => names.to_vec(),
        };
        let commit = |name: &String| {
            let name = if name == "-" { "@{-1}" } else { name };
            let found =
                crate::rev::single(place, name).and_then(|object| object.peel_to_commit().ok());
            found.ok_or_else(|| plain(1, format!("merge: {name} - not something we can merge")))
        };
        let theirs = names.iter().map(commit).collect::<Outcome<Vec<_>>>()?;
        Ok(Self { place, words, stage, theirs, names, how: how(words.values("strategy-option"))? })
    }

    fn run(&mut self) -> Outcome {
        let place = self.place;
        let Some(head) = place.head() else { return self.unborn() };
        let behind: Vec<bool> =
            self.theirs.iter().map(|c| is_ancestor(place, c.id(), head.id())).collect();
        if behind.iter().all(|behind| *behind) {
            self.say(if self.words.has("squash") {
                "Already up to date. (nothing to squash)"
            } else {
                "Already up to date."
            });
            return Ok(0);
        }
        let ours_strategy = self.words.value("strategy") == Some("ours");
        let single = self.theirs.len() == 1 && !ours_strategy;
        let ff_refused = self
            .words
            .given
            .iter()
            .rev()
            .find(|g| g.name == "ff" || g.name == "ff-only")
            .is_some_and(|g| g.no)
            || place.setting("merge.ff").as_deref() == Some("false");
        if single && !ff_refused && is_ancestor(place, head.id(), self.theirs[0].id()) {
            return self.fast_forward(&head);
        }
        if self.words.has("ff-only") {
            return Err(plain(
                128,
                "hint: Diverging branches can't be fast-forwarded, you need to either:\nhint:\nhint: \tgit merge --no-ff\nhint:\n\
                 hint: or:\nhint:\nhint: \tgit rebase\nhint:\n\
                 hint: Disable this message with \"git config advice.diverging false\"\n\
                 fatal: Not possible to fast-forward, aborting.",
            ));
        }
        self.check_index(&head)?;
        if single { self.two(&head) } else { self.many(&head, ours_strategy) }
    }

    fn say(&self, text: &str) {
        if !self.words.has("quiet") {
            outln!("{text}");
        }
    }

    /// A merge wants to start from what is committed.
    fn check_index(&self, head: &Commit<'_>) -> Outcome<()> {
        let tree = head.tree()?;
        let pairs =
            collect::tree_index(self.place, Some(&tree), &self.stage, &Pathspec::default())?;
        if pairs.is_empty() {
            return Ok(());
        }
        let names: String =
            pairs.iter().map(|pair| format!("\t{}\n", lossy(pair.path()))).collect();
        Err(plain(
            2,
            format!(
                "error: Your local changes to the following files would be overwritten by merge:\n{names}\
                 Please commit your changes or stash them before you merge.\nAborting\nMerge with strategy ort failed."
            ),
        ))
    }

    fn unborn(&mut self) -> Outcome {
        let target = &self.theirs[0];
        switch::switch(self.place, &mut self.stage, None, Some(&target.tree()?), &MERGE)?;
        self.stage.write()?;
        refs::move_head(self.place, target.id(), "initial pull")?;
        Ok(0)
    }

    fn fast_forward(&mut self, head: &Commit<'_>) -> Outcome {
        let (place, target) = (self.place, self.theirs[0].clone());
        self.say(&format!("Updating {}..{}", place.short(head.id()), place.short(target.id())));
        switch::switch(place, &mut self.stage, Some(&head.tree()?), Some(&target.tree()?), &MERGE)?;
        self.stage.write()?;
        self.say("Fast-forward");
        if self.words.has("squash") {
            self.say("Squash commit -- not updating HEAD");
            self.write_squash(head)?;
        } else {
            std::fs::write(place.meta("ORIG_HEAD"), format!("{}\n", head.id()))?;
            refs::move_head(
                place,
                target.id(),
                &format!("merge {}: Fast-forward", self.names.join(" ")),
            )?;
        }
        self.numbers(&head.tree()?, &target.tree()?)?;
        Ok(0)
    }

    fn numbers(&self, old: &git2::Tree<'_>, new: &git2::Tree<'_>) -> Outcome<()> {
        let no_stat =
            self.words.has("n") || self.words.given.iter().any(|g| g.name == "stat" && g.no);
        if self.words.has("quiet") || no_stat {
            return Ok(());
        }
        let mut options = crate::diff::parse::Reader::new(Some(self.place)).options;
        options.formats = Formats { stat: true, summary: true, ..Formats::NOTHING };
        let diff = Diff::new(self.place, options);
        let pairs = collect::trees(self.place, Some(old), Some(new), &Pathspec::default())?;
        diff.print(&diff.refine(pairs))?;
        Ok(())
    }

    fn two(&mut self, head: &Commit<'_>) -> Outcome {
        let (place, theirs) = (self.place, self.theirs[0].clone());
        let base = place.repo.merge_base(head.id(), theirs.id()).ok();
        if base.is_none() && !self.words.has("allow-unrelated-histories") {
            return Err(fatal("refusing to merge unrelated histories"));
        }
        let base_tree = base.map(|id| place.repo.find_commit(id)?.tree()).transpose()?;
        let base_name = base.map_or("empty tree".to_owned(), |id| place.short(id));
        let labels =
            Labels { base: base_name, ours: "HEAD".to_owned(), theirs: self.names[0].clone() };
        let (ours_tree, their_tree) = (head.tree()?, theirs.tree()?);
        let merged = trees::merge(
            place,
            base_tree.as_ref(),
            Some(&ours_tree),
            Some(&their_tree),
            &labels,
            self.how,
        )?;
        std::fs::write(place.meta("ORIG_HEAD"), format!("{}\n", head.id()))?;
        let clean = apply::apply(place, &mut self.stage, &merged, &MERGE)
            .map_err(|fail| plain(2, format!("{}\nMerge with strategy ort failed.", fail.text)))?;
        let squash = self.words.has("squash");
        let no_commit =
            self.words.given.iter().rev().find(|g| g.name == "commit").is_some_and(|g| g.no);
        if clean && !squash && !no_commit {
            return self.commit(head, "ort");
        }
        if squash {
            self.say("Squash commit -- not updating HEAD");
            self.write_squash(head)?;
        } else {
            self.remember(&merged)?;
        }
        if clean {
            note("Automatic merge went well; stopped before committing as requested");
            return Ok(0);
        }
        outln!("Automatic merge failed; fix conflicts and then commit the result.");
        Ok(1)
    }

    /// The files from which `git commit` concludes the merge.
    fn remember(&self, merged: &trees::Merged) -> Outcome<()> {
        let heads: String = self.theirs.iter().map(|commit| format!("{}\n", commit.id())).collect();
        std::fs::write(self.place.meta("MERGE_HEAD"), heads)?;
        let no_ff = self.words.given.iter().any(|g| g.name == "ff" && g.no);
        std::fs::write(self.place.meta("MERGE_MODE"), if no_ff { "no-ff" } else { "" })?;
        std::fs::write(self.place.meta("MERGE_MSG"), self.message()? + &conflict_comment(merged))?;
        Ok(())
    }

    fn write_squash(&self, head: &Commit<'_>) -> Outcome<()> {
        let mut text = "Squashed commit of the following:\n".to_owned();
        let mut walk = self.place.repo.revwalk()?;
        self.theirs.iter().try_for_each(|c| walk.push(c.id()))?;
        walk.hide(head.id())?;
        for id in walk.flatten() {
            let commit = self.place.repo.find_commit(id)?;
            let style = crate::log::pretty::Style::usual(self.place);
            let names = crate::log::decorate::Names::default();
            let marks = crate::log::marks::Marks::default();
            let context = crate::log::pretty::Context {
                place: self.place,
                style: &style,
                names: &names,
                log: None,
                mark: "",
                marks: &marks,
                parents: &[],
            };
            text += "\n";
            text += &lossy(&crate::log::pretty::show(&commit, &context));
        }
        std::fs::write(self.place.meta("SQUASH_MSG"), text)?;
        Ok(())
    }

    fn message(&self) -> Outcome<String> {
        let given = message::paragraphs(self.words.values("message"));
        let text = match (given, self.words.value("file")) {
            (Some(text), _) => text,
            (None, Some(file)) => message::read(file)?,
            (None, None) => self.usual_message(),
        };
        let text = message::tidy(&text, Cleanup::Whitespace);
        if !self.words.has("signoff") {
            return Ok(text);
        }
        let (name, email) = ident::who(self.place, "COMMITTER")?;
        Ok(with_trailer(&text, &format!("Signed-off-by: {name} <{email}>")))
    }

    fn usual_message(&self) -> String {
        let kind = |name: &str| {
            let found =
                |prefix: &str| self.place.repo.find_reference(&format!("{prefix}{name}")).is_ok();
            if found("refs/heads/") {
                ("branch", "branches")
            } else if found("refs/remotes/") {
                ("remote-tracking branch", "remote-tracking branches")
            } else if found("refs/tags/") {
                ("tag", "tags")
            } else {
                ("commit", "commits")
            }
        };
        let quoted: Vec<String> = self.names.iter().map(|name| format!("'{name}'")).collect();
        let list = match quoted.as_slice() {
            [one] => format!("{} {one}", kind(&self.names[0]).0),
            [first @ .., last] => {
                format!("{} {} and {last}", kind(&self.names[0]).1, first.join(", "))
            }
            [] => String::new(),
        };
        let branch = self.place.branch().unwrap_or_else(|| "HEAD".to_owned());
        let into = if matches!(branch.as_str(), "master" | "main") {
            String::new()
        } else {
            format!(" into {branch}")
        };
        format!("Merge {list}{into}\n")
    }

    fn commit(&mut self, head: &Commit<'_>, strategy: &str) -> Outcome {
        let place = self.place;
        let message = self.message()?;
        if message.is_empty() {
            return Err(plain(
                1,
                "error: Empty commit message.\nNot committing merge; use 'git commit' to complete the merge.",
            ));
        }
        let tree = place.repo.find_tree(self.stage.write_tree(place)?)?;
        let (author, committer): (Signature<'_>, _) =
            (ident::signature(place, "AUTHOR")?, ident::signature(place, "COMMITTER")?);
        let mut parents = vec![head];
        parents.extend(&self.theirs);
        let id = place.repo.commit(None, &author, &committer, &message, &tree, &parents)?;
        self.stage.write()?;
        let log =
            format!("merge {}: Merge made by the '{strategy}' strategy.", self.names.join(" "));
        refs::move_head(place, id, &log)?;
        self.say(&format!("Merge made by the '{strategy}' strategy."));
        self.numbers(&head.tree()?, &tree)?;
        Ok(0)
    }

    /// More than one at once: each must merge without conflicts.
    fn many(&mut self, head: &Commit<'_>, ours: bool) -> Outcome {
        let place = self.place;
        if ours {
            return self.commit(head, "ours");
        }
        let mut current = head.tree()?;
        let mut commit_id = head.id();
        for (theirs, name) in self.theirs.clone().iter().zip(self.names.clone()) {
            if is_ancestor(place, theirs.id(), head.id()) {
                outln!("Already up to date with {name}");
                continue;
            }
            if is_ancestor(place, commit_id, theirs.id()) {
                outln!("Fast-forwarding to: {name}");
                commit_id = theirs.id();
            } else {
                outln!("Trying simple merge with {name}");
            }
            let base = place.repo.merge_base(head.id(), theirs.id())?;
            let base_tree = place.repo.find_commit(base)?.tree()?;
            let labels = Labels { base: place.short(base), ours: "HEAD".to_owned(), theirs: name };
            let their_tree = theirs.tree()?;
            let merged = trees::merge(
                place,
                Some(&base_tree),
                Some(&current),
                Some(&their_tree),
                &labels,
                self.how,
            )?;
            if !merged.conflicts.is_empty() {
                return Err(plain(
                    2,
                    "Automated merge did not work.\nShould not be doing an octopus.\nMerge with strategy octopus failed.",
                ));
            }
            apply::apply(
                place,
                &mut self.stage,
                &trees::Merged { messages: vec![], ..merged },
                &MERGE,
            )?;
            current = place.repo.find_tree(self.stage.write_tree(place)?)?;
        }
        self.commit(head, "octopus")
    }
}

/// What is added to the message while there are conflicts.
pub(crate) fn conflict_comment(merged: &trees::Merged) -> String {
    if merged.conflicts.is_empty() {
        return String::new();
    }
    let names: String =
        merged.conflicts.iter().map(|c| format!("#\t{}\n", lossy(&c.path))).collect();
    format!("\n# Conflicts:\n{names}")
}

pub(crate) fn is_ancestor(place: &Place, old: Oid, new: Oid) -> bool {
    old == new || place.repo.graph_descendant_of(new, old).unwrap_or(false)
}
