//! `git fetch`, `git pull`, `git push` and `git submodule`: what git says where there is nothing to talk to, which is
//! everywhere in a sandbox without network. Repositories that lie in files are copied by `git clone`.

use crate::fail::{Fail, Outcome, fatal, plain, refuse};
use crate::place::Place;

/// What git says where a remote is none.
const NOT_READ: &str = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access \
rights\nand the repository exists.";

/// Why a URL cannot be reached.
pub(crate) fn unreachable(url: &str) -> Fail {
    if let Some((_, rest)) = url.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or(rest);
        let host = host.rsplit('@').next().unwrap_or(host);
        // A name is known to nobody here, but an address or the machine itself could answer.
        let is_name = !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
        if !is_name || host == "localhost" {
            return refuse("talking to a server");
        }
        let ended = if url.ends_with('/') { url.to_owned() } else { format!("{url}/") };
        return fatal(format!("unable to access '{ended}': Could not resolve host: {host}"));
    }
    if let Some((host, _)) = url.split_once(':') {
        let host = host.rsplit('@').next().unwrap_or(host);
        return plain(
            128,
            format!(
                "ssh: Could not resolve hostname {host}: Temporary failure in name resolution\n{NOT_READ}"
            ),
        );
    }
    if git2::Repository::open(url).is_ok() {
        return refuse("talking to a repository in files");
    }
    plain(128, format!("fatal: '{url}' does not appear to be a git repository\n{NOT_READ}"))
}

fn operands(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect()
}

/// The URL of a remote, or the name itself.
fn url(place: &Place, name: &str) -> String {
    place.setting(&format!("remote.{name}.url")).unwrap_or_else(|| name.to_owned())
}

fn remotes(place: &Place) -> Outcome<Vec<String>> {
    let names = place.repo.remotes()?;
    Ok(names.iter().filter_map(|name| name.ok().flatten().map(str::to_owned)).collect())
}

/// The remote that is meant if none is named.
fn usual(place: &Place) -> Outcome<Option<String>> {
    let of_branch = place.branch().and_then(|it| place.setting(&format!("branch.{it}.remote")));
    let names = remotes(place)?;
    Ok(match (of_branch, names.as_slice()) {
        (Some(name), _) => Some(name),
        (None, [only]) => Some(only.clone()),
        (None, names) => names.iter().find(|it| *it == "origin").cloned(),
    })
}

pub(crate) fn fetch(place: &Place, words: &[String]) -> Outcome {
    let all = words.iter().any(|word| word == "--all");
    let remote = match operands(words).first() {
        Some(name) => Some((*name).to_owned()),
        None if all => remotes(place)?.into_iter().next(),
        None => usual(place)?,
    };
    // Without any remote there is nothing to fetch.
    remote.map_or(Ok(0), |name| Err(unreachable(&url(place, &name))))
}

pub(crate) fn pull(place: &Place, words: &[String]) -> Outcome {
    if let Some(name) = operands(words).first() {
        return Err(Fail { code: 1, ..unreachable(&url(place, name)) });
    }
    if let Some(name) = usual(place)? {
        return Err(Fail { code: 1, ..unreachable(&url(place, &name)) });
    }
    let hint = "Please specify which branch you want to merge with.\nSee git-pull(1) for details.\n\n    \
git pull <remote> <branch>\n";
    Err(plain(
        1,
        match place.branch() {
            Some(branch) => format!(
                "There is no tracking information for the current branch.\n{hint}\nIf you wish to set tracking \
information for this branch you can do so with:\n\n    git branch --set-upstream-to=<remote>/<branch> {branch}\n"
            ),
            None => format!("You are not currently on a branch.\n{hint}"),
        },
    ))
}

pub(crate) fn push(place: &Place, words: &[String]) -> Outcome {
    if let Some(name) = operands(words).first() {
        return Err(unreachable(&url(place, name)));
    }
    let Some(name) = usual(place)? else {
        return Err(fatal(
            "No configured push destination.\nEither specify the URL from the command-line or configure a remote \
repository using\n\n    git remote add <name> <url>\n\nand then push using the remote name\n\n    git push <name>\n",
        ));
    };
    let Some(branch) = place.branch() else {
        return Err(fatal(format!(
            "You are not currently on a branch.\nTo push the history leading to the current (detached HEAD)\nstate \
now, use\n\n    git push {name} HEAD:<name-of-remote-branch>\n"
        )));
    };
    if place.setting(&format!("branch.{branch}.merge")).is_none() {
        return Err(fatal(format!(
            "The current branch {branch} has no upstream branch.\nTo push the current branch and set the remote as \
upstream, use\n\n    git push --set-upstream {name} {branch}\n\nTo have this happen automatically for branches \
without a tracking\nupstream, see 'push.autoSetupRemote' in 'git help config'.\n"
        )));
    }
    Err(unreachable(&url(place, &name)))
}

/// Nothing to do where there are no submodules.
pub(crate) fn submodule(place: &Place, words: &[String]) -> Outcome {
    let has_some = place.root()?.join(".gitmodules").exists();
    match words.iter().map(String::as_str).find(|word| !word.starts_with('-')) {
        None | Some("status" | "update" | "init" | "foreach" | "sync" | "summary" | "deinit")
            if !has_some =>
        {
            Ok(0)
        }
        _ => Err(refuse("a repository with submodules")),
    }
}
