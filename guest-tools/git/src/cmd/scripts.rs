//! More small commands for scripts: the index by hand, commits of trees, and what two branches have in common.

use git2::{Oid, Repository};

use crate::args::{self, flag, value};
use crate::fail::{Outcome, fatal, plain, refuse};
use crate::log::pretty::subject;
use crate::merge::replay;
use crate::out::{self, outln};
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, Stage};
use crate::work::Work;
use crate::{ident, programs, refs, rev};

const EXECUTABLE: u32 = 0o100_755;
const REGULAR: u32 = 0o100_644;

/// `git var NAME`.
pub(crate) fn var(place: &Place, words: &[String]) -> Outcome {
    let person = |role: &str| -> Outcome<String> {
        let who = ident::signature(place, role)?;
        let minutes = who.when().offset_minutes();
        let (sign, offset) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
        Ok(format!(
            "{} <{}> {} {sign}{:02}{:02}",
            lossy(who.name_bytes()),
            lossy(who.email_bytes()),
            who.when().seconds(),
            offset / 60,
            offset % 60
        ))
    };
    let text = match words.first().map(String::as_str) {
        Some("GIT_AUTHOR_IDENT") => person("AUTHOR")?,
        Some("GIT_COMMITTER_IDENT") => person("COMMITTER")?,
        Some("GIT_EDITOR") => match programs::editor(place, false) {
            Some(editor) => editor,
            None => return Ok(1),
        },
        Some("GIT_SEQUENCE_EDITOR") => match programs::editor(place, true) {
            Some(editor) => editor,
            None => return Ok(1),
        },
        Some("GIT_PAGER") => place.setting("core.pager").unwrap_or_else(|| "cat".to_owned()),
        Some("GIT_DEFAULT_BRANCH") => {
            place.setting("init.defaultbranch").unwrap_or_else(|| "master".to_owned())
        }
        Some("GIT_SHELL_PATH") => "/bin/sh".to_owned(),
        _ => return Err(plain(129, "usage: git var (-l | <variable>)")),
    };
    outln!("{text}");
    Ok(0)
}

/// `git cherry [-v] [UPSTREAM [HEAD [LIMIT]]]`: which commits the upstream has, and which not.
pub(crate) fn cherry(place: &Place, words: &[String]) -> Outcome {
    let usage = "git cherry [-v] [<upstream> [<head> [<limit>]]]";
    let table = [flag('v', "verbose"), args::maybe(' ', "abbrev")];
    let words = args::parse(usage, &table, words)?;
    let commit = |name: &str| -> Outcome<Oid> {
        let found = rev::single(place, name).and_then(|object| object.peel_to_commit().ok());
        found.map(|commit| commit.id()).ok_or_else(|| fatal(format!("unknown commit {name}")))
    };
    let upstream = match words.operands.first() {
        Some(name) => commit(name)?,
        None => {
            let branch = place.branch().unwrap_or_default();
            let tracked = crate::status::tracking(place, &branch).ok_or_else(|| {
                plain(
                    129,
                    format!(
                        "Could not find a tracked remote branch, please specify <upstream> manually.\nusage: {usage}"
                    ),
                )
            })?;
            commit(&tracked.0)?
        }
    };
    let head = commit(words.operands.get(1).map_or("HEAD", String::as_str))?;
    let theirs = replay::patches(place, &replay::commits(place, Some(head), upstream)?)?;
    let limit = match words.operands.get(2) {
        Some(name) => replay::commits(place, None, commit(name)?)?,
        None => vec![],
    };
    for id in replay::commits(place, Some(upstream), head)? {
        if limit.contains(&id) {
            continue;
        }
        let commit = place.repo.find_commit(id)?;
        let is_there = replay::patch(place, &commit)?.is_some_and(|patch| theirs.contains(&patch));
        let sign = if is_there { '-' } else { '+' };
        let name = if words.has("abbrev") { place.short(id) } else { id.to_string() };
        if words.has("verbose") {
            outln!("{sign} {name} {}", lossy(&subject(commit.message_bytes())));
        } else {
            outln!("{sign} {name}");
        }
    }
    Ok(0)
}

/// `git commit-tree TREE [-p PARENT]... [-m TEXT]... [-F FILE]`.
pub(crate) fn commit_tree(place: &Place, words: &[String]) -> Outcome {
    let table = [value('p', "p"), value('m', "m"), value('F', "F"), args::maybe('S', "gpg-sign")];
    let usage = "git commit-tree <tree> [(-p <parent>)...]";
    let words = args::parse(usage, &table, words)?;
    let [tree] = words.operands.as_slice() else {
        return Err(plain(128, "fatal: must give exactly one tree"));
    };
    let object =
        rev::single(place, tree).ok_or_else(|| fatal(format!("not a valid object name {tree}")))?;
    let tree = object.peel_to_tree()?;
    let mut parents = vec![];
    for name in words.values("p") {
        let found = rev::single(place, name).and_then(|object| object.peel_to_commit().ok());
        parents.push(found.ok_or_else(|| fatal(format!("not a valid object name {name}")))?);
    }
    let given = super::message::paragraphs(words.values("m"));
    let message = match (given, words.value("F")) {
        (Some(text), _) => text,
        (None, file) => super::message::read(file.unwrap_or("-"))?,
    };
    let (author, committer) =
        (ident::signature(place, "AUTHOR")?, ident::signature(place, "COMMITTER")?);
    let parents: Vec<_> = parents.iter().collect();
    let id = place.repo.commit(None, &author, &committer, &message, &tree, &parents)?;
    outln!("{id}");
    Ok(0)
}

/// `git read-tree TREE`: the index becomes a tree.
pub(crate) fn read_tree(place: &Place, words: &[String]) -> Outcome {
    let table =
        [flag('m', "m"), flag('u', "u"), flag(' ', "reset"), flag(' ', "empty"), flag('v', "v")];
    let words = args::parse("git read-tree [-m | --reset] [-u] <tree>", &table, words)?;
    let mut stage = Stage::open(place)?;
    let tree = match words.operands.as_slice() {
        [] if words.has("empty") => None,
        [name] => Some(
            rev::single(place, name)
                .and_then(|object| object.peel_to_tree().ok())
                .ok_or_else(|| fatal(format!("Not a valid object name {name}")))?,
        ),
        _ => return Err(refuse("read-tree of more than one tree")),
    };
    if words.has("u") {
        crate::merge::switch::force(place, &mut stage, tree.as_ref())?;
    } else {
        stage.read_tree(place, tree.as_ref())?;
    }
    stage.write()?;
    Ok(0)
}

/// `git update-index`: entries of the index one by one.
pub(crate) fn update_index(place: &Place, words: &[String]) -> Outcome {
    let mut index = Updating {
        place,
        stage: Stage::open(place)?,
        adds: false,
        removes: false,
        force_remove: false,
        chmod: None,
        mark: None,
    };
    let (mut rest, mut code, mut is_refresh) = (words.iter(), 0, false);
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--add" => index.adds = true,
            "--remove" => index.removes = true,
            "--force-remove" => index.force_remove = true,
            "--chmod=+x" => index.chmod = Some(EXECUTABLE),
            "--chmod=-x" => index.chmod = Some(REGULAR),
            "--assume-unchanged" => index.mark = Some((true, false)),
            "--no-assume-unchanged" => index.mark = Some((false, false)),
            "--skip-worktree" => index.mark = Some((true, true)),
            "--no-skip-worktree" => index.mark = Some((false, true)),
            "--refresh" | "--really-refresh" => is_refresh = true,
            "-q" | "--replace" | "--unmerged" | "--ignore-missing" | "--verbose" | "--" => {}
            "--cacheinfo" => {
                let info = rest.next().cloned().unwrap_or_default();
                index.cache_info(&info, &mut rest)?;
            }
            option if option.starts_with('-') => {
                return Err(refuse(format!("update-index {option}")));
            }
            path => index.path(path)?,
        }
    }
    if is_refresh {
        code = index.refresh();
    }
    index.stage.write()?;
    Ok(code)
}

struct Updating<'a> {
    place: &'a Place,
    stage: Stage,
    adds: bool,
    removes: bool,
    force_remove: bool,
    chmod: Option<u32>,
    /// Whether to set, and whether it is `--skip-worktree`.
    mark: Option<(bool, bool)>,
}

impl Updating<'_> {
    fn path(&mut self, word: &str) -> Outcome<()> {
        let path = self.place.relative(word)?;
        let wrong = |why: &str| {
            plain(128, format!("error: {word}: {why}\nfatal: Unable to process path {word}"))
        };
        if let Some((is_set, is_skip)) = self.mark {
            let mut entry = self
                .stage
                .get(&path)
                .ok_or_else(|| plain(128, format!("fatal: Unable to mark file {word}")))?;
            stage::leave_alone(&mut entry, is_set, is_skip);
            return self.stage.put(&entry);
        }
        if self.force_remove {
            self.stage.remove(&path);
            return Ok(());
        }
        let work = Work::new(self.place);
        let known = self.stage.get(&path);
        let Some(meta) = work.find(&path) else {
            if !self.removes {
                return Err(wrong("does not exist and --remove not passed"));
            }
            self.stage.remove(&path);
            return Ok(());
        };
        if known.is_none() && !self.adds {
            return Err(wrong("cannot add to the index - missing --add option?"));
        }
        let mut entry = work.store(&path, &meta, known.map(|entry| entry.mode))?;
        if let Some(mode) = self.chmod {
            entry.mode = mode;
        }
        self.stage.put(&entry)
    }

    /// `MODE,ID,PATH`, or the three as words.
    fn cache_info(&mut self, info: &str, rest: &mut std::slice::Iter<'_, String>) -> Outcome<()> {
        let words: Vec<String> = match info.contains(',') {
            true => info.splitn(3, ',').map(str::to_owned).collect(),
            false => {
                std::iter::once(info.to_owned()).chain(rest.by_ref().take(2).cloned()).collect()
            }
        };
        let wrong = || plain(128, "error: option 'cacheinfo' expects <mode>,<sha1>,<path>");
        let [mode, id, path] = words.as_slice() else { return Err(wrong()) };
        let mode = u32::from_str_radix(mode, 8).map_err(|_| wrong())?;
        let id = Oid::from_str(id).map_err(|_| wrong())?;
        self.stage.put(&stage::blank(path.as_bytes(), mode, id))
    }

    /// Looks at all files again; says which are not as they were staged.
    fn refresh(&mut self) -> i32 {
        let work = Work::new(self.place);
        let look = crate::diff::collect::index_work(
            &work,
            &self.stage,
            &crate::pathspec::Pathspec::default(),
        );
        for entry in &look.refreshed {
            // It is as before but for its times.
            drop(self.stage.put(entry));
        }
        for pair in &look.pairs {
            let why = if pair.unmerged { "needs merge" } else { "needs update" };
            outln!("{}: {why}", lossy(pair.path()));
        }
        i32::from(!look.pairs.is_empty())
    }
}

/// `git ls-remote`: the references of another repository on this disk.
pub(crate) fn ls_remote(place: &Place, words: &[String]) -> Outcome {
    let table = [
        flag('h', "heads"),
        flag('b', "branches"),
        flag('t', "tags"),
        flag('q', "quiet"),
        flag(' ', "refs"),
        flag(' ', "exit-code"),
        flag(' ', "get-url"),
        flag(' ', "symref"),
    ];
    let words =
        args::parse("git ls-remote [--heads] [--tags] [<repository> [<refs>...]]", &table, words)?;
    let name = words.operands.first().cloned().unwrap_or_else(|| "origin".to_owned());
    let url = place.setting(&format!("remote.{name}.url")).unwrap_or_else(|| name.clone());
    if words.has("get-url") {
        outln!("{url}");
        return Ok(0);
    }
    let folder = url.strip_prefix("file://").unwrap_or(&url);
    let Ok(repo) = Repository::open(folder) else {
        return Err(super::transport::unreachable(&url));
    };
    let (heads, tags) = (words.has("heads") || words.has("branches"), words.has("tags"));
    let patterns = &words.operands[words.operands.len().min(1)..];
    let fits = |name: &str| {
        let kind = match (heads, tags) {
            (false, false) => true,
            _ => heads && name.starts_with("refs/heads/") || tags && name.starts_with("refs/tags/"),
        };
        let ends = |it: &String| name == it || name.ends_with(&format!("/{it}"));
        kind && (patterns.is_empty() || patterns.iter().any(ends))
    };
    let mut lines = vec![];
    if let Ok(head) = repo.head() {
        lines.extend(head.target().map(|id| (id, "HEAD".to_owned())));
    }
    let other = Place::at(repo, &place.globals);
    for (name, id) in refs::all(&other)? {
        lines.push((id, name.clone()));
        let object = other.repo.find_object(id, None)?;
        if object.kind() == Some(git2::ObjectType::Tag) && !words.has("refs") {
            let peeled = object.peel(git2::ObjectType::Any)?;
            lines.push((peeled.id(), format!("{name}^{{}}")));
        }
    }
    let mut is_any = false;
    for (id, name) in lines.iter().filter(|(_, name)| fits(name.trim_end_matches("^{}"))) {
        out::text(format_args!("{id}\t{name}\n"));
        is_any = true;
    }
    Ok(if words.has("exit-code") && !is_any { 2 } else { 0 })
}
