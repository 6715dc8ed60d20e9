//! `git remote`, and copies of local repositories.

use crate::args::{self, Opt, flag, maybe, value};
use crate::fail::{Outcome, fatal, io_text, plain};
use crate::out::{note, outln};
use crate::place::{Globals, Place, normal};
use crate::refs;
use crate::stage::Stage;

const USAGE: &str = "git remote [-v | --verbose]\n   or: git remote add <name> <url>\n   or: git remote rename <old> <new>\n   \
or: git remote remove <name>\n   or: git remote get-url <name>\n   or: git remote set-url <name> <newurl>";

pub(crate) fn remote(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('v', "verbose"),
        flag('f', "fetch"),
        flag('a', "all"),
        value('t', "t"),
        value('m', "m"),
        flag(' ', "push"),
        flag(' ', "add"),
        flag('n', "n"),
    ];
    let words = args::parse(USAGE, table, words)?;
    let missing = |name: &str| plain(2, format!("error: No such remote '{name}'"));
    let operands: Vec<&str> = words.operands.iter().map(String::as_str).collect();
    match operands.as_slice() {
        [] => {
            for name in place.repo.remotes()?.iter().filter_map(|name| name.ok().flatten()) {
                if !words.has("verbose") {
                    outln!("{name}");
                    continue;
                }
                let url = place.setting(&format!("remote.{name}.url")).unwrap_or_default();
                let push =
                    place.setting(&format!("remote.{name}.pushurl")).unwrap_or_else(|| url.clone());
                outln!("{name}\t{url} (fetch)\n{name}\t{push} (push)");
            }
        }
        ["add", name, url] => {
            if place.repo.find_remote(name).is_ok() {
                return Err(plain(3, format!("error: remote {name} already exists.")));
            }
            place
                .repo
                .remote(name, url)
                .map_err(|_| fatal(format!("'{name}' is not a valid remote name")))?;
        }
        ["remove" | "rm", name] => {
            place.repo.find_remote(name).map_err(|_| missing(name))?;
            place.repo.remote_delete(name)?;
        }
        ["rename", old, new] => {
            place.repo.find_remote(old).map_err(|_| missing(old))?;
            place.repo.remote_rename(old, new)?;
        }
        ["get-url", name] => {
            place.repo.find_remote(name).map_err(|_| missing(name))?;
            outln!("{}", place.setting(&format!("remote.{name}.url")).unwrap_or_default());
        }
        ["set-url", name, url] => {
            place.repo.find_remote(name).map_err(|_| missing(name))?;
            if words.has("push") {
                place.repo.remote_set_pushurl(name, Some(url))?;
            } else {
                place.repo.remote_set_url(name, url)?;
            }
        }
        ["show" | "prune", name] => {
            let url = place.setting(&format!("remote.{name}.url"));
            return Err(super::transport::unreachable(&url.unwrap_or_else(|| (*name).to_owned())));
        }
        ["show"] => return remote(place, &[]),
        ["update", rest @ ..] => {
            let words: Vec<String> = rest.iter().map(|it| (*it).to_owned()).collect();
            return super::transport::fetch(place, &words)
                .map_err(|fail| crate::fail::Fail { code: 1, ..fail });
        }
        ["show" | "prune" | "set-head" | "set-branches", ..] => {
            return Err(fatal(format!(
                "`git remote {}` is not in this git: the sandbox has no network",
                operands[0]
            )));
        }
        _ => {
            return Err(plain(
                129,
                format!("error: unknown subcommand: `{}'\nusage: {USAGE}", operands[0]),
            ));
        }
    }
    Ok(0)
}

/// `git clone` of a folder.
pub(crate) fn clone(globals: &Globals, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('q', "quiet"),
        flag('v', "verbose"),
        flag('l', "local"),
        flag('s', "shared"),
        flag('n', "no-checkout"),
        flag(' ', "bare"),
        value('b', "branch"),
        value('o', "origin"),
        value(' ', "depth"),
        flag(' ', "single-branch"),
        flag(' ', "no-tags"),
        flag(' ', "no-local"),
        flag(' ', "no-hardlinks"),
        flag(' ', "progress"),
        maybe(' ', "recurse-submodules"),
        value('c', "config"),
    ];
    let words = args::parse("git clone [<options>] [--] <repo> [<dir>]", table, words)?;
    let [source, rest @ ..] = words.operands.as_slice() else {
        return Err(plain(
            129,
            "fatal: You must specify a repository to clone.\n\nusage: git clone [<options>] [--] <repo> [<dir>]",
        ));
    };
    let here = std::env::current_dir()?;
    let path = source.strip_prefix("file://").unwrap_or(source);
    if path.contains("://") || (path.contains(':') && !path.starts_with(['/', '.'])) {
        let name = source.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(source);
        let name = rest.first().map_or(name.trim_end_matches(".git"), String::as_str);
        note(format!("Cloning into '{name}'..."));
        return Err(super::transport::unreachable(source));
    }
    let from = normal(&here.join(path));
    let repo = git2::Repository::open(&from)
        .map_err(|_| fatal(format!("repository '{source}' does not exist")))?;
    let base =
        path.trim_end_matches('/').trim_end_matches("/.git").rsplit('/').next().unwrap_or(path);
    let bare = words.has("bare");
    let name = rest.first().cloned().unwrap_or_else(|| {
        let name = base.strip_suffix(".git").unwrap_or(base);
        if bare { format!("{name}.git") } else { name.to_owned() }
    });
    let to = normal(&here.join(&name));
    if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(fatal(format!(
            "destination path '{name}' already exists and is not an empty directory."
        )));
    }
    if !words.has("quiet") {
        note(if bare {
            format!("Cloning into bare repository '{name}'...")
        } else {
            format!("Cloning into '{name}'...")
        });
    }
    let meta = if bare { to.clone() } else { to.join(".git") };
    let head = repo.find_reference("HEAD")?.symbolic_target().ok().flatten().map(str::to_owned);
    let head = head
        .as_deref()
        .and_then(|name| name.strip_prefix("refs/heads/"))
        .unwrap_or("master")
        .to_owned();
    let branch = words.value("branch").map_or(head, str::to_owned);
    super::init::create(&meta, &branch, bare)?;
    copy(&normal(repo.commondir()).join("objects"), &meta.join("objects"))
        .map_err(|e| fatal(format!("cannot copy objects: {}", io_text(&e))))?;
    take_refs(&repo, &meta, &branch, words.value("origin").unwrap_or("origin"), &from, bare)?;
    if bare {
        return Ok(0);
    }
    let apart = Globals { git_dir: Some(meta), work_tree: Some(to), ..globals.clone() };
    let place = Place::discover(&apart)?;
    if place.head().is_none() {
        note("warning: You appear to have cloned an empty repository.");
    } else if !words.has("no-checkout") {
        let mut stage = Stage::open(&place)?;
        crate::merge::switch::force(&place, &mut stage, place.head_tree().as_ref())?;
        stage.write()?;
    }
    if !words.has("quiet") {
        note("done.");
    }
    Ok(0)
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::write(target, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Branches become those of the remote, one of them ours.
fn take_refs(
    repo: &git2::Repository,
    meta: &std::path::Path,
    branch: &str,
    origin: &str,
    from: &std::path::Path,
    bare: bool,
) -> Outcome<()> {
    let new = git2::Repository::open(meta)?;
    let url = from.display().to_string();
    for reference in repo.references()?.flatten() {
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        let Some(id) = reference.target() else { continue };
        let target = match name.strip_prefix("refs/heads/") {
            Some(short) if !bare => format!("refs/remotes/{origin}/{short}"),
            _ => name.clone(),
        };
        if target.starts_with("refs/stash") || (!bare && name.starts_with("refs/remotes/")) {
            continue;
        }
        new.reference(&target, id, true, &format!("clone: from {url}"))?;
    }
    new.remote(origin, &url)?;
    if bare {
        return Ok(());
    }
    let tracked = format!("refs/remotes/{origin}/{branch}");
    if let Ok(id) = new.refname_to_id(&tracked) {
        new.reference(&format!("refs/heads/{branch}"), id, true, &format!("clone: from {url}"))?;
        new.reference_symbolic(&format!("refs/remotes/{origin}/HEAD"), &tracked, true, "clone")?;
        new.find_branch(branch, git2::BranchType::Local)?
            .set_upstream(Some(refs::shortened(&tracked)))?;
    }
    Ok(())
}
