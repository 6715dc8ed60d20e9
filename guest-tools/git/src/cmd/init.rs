//! `git init`.

use std::path::{Path, PathBuf};

use crate::args::{self, Opt, flag, maybe, value};
use crate::fail::{Outcome, fatal, io_text};
use crate::out::outln;
use crate::place::{Globals, normal};

const USAGE: &str = "git init [-q | --quiet] [--bare] [-b <branch-name> | --initial-branch=<branch-name>] [<directory>]";
const TABLE: &[Opt] = &[
    flag('q', "quiet"),
    flag(' ', "bare"),
    value('b', "initial-branch"),
    value(' ', "template"),
    value(' ', "separate-git-dir"),
    value(' ', "object-format"),
    value(' ', "ref-format"),
    maybe(' ', "shared"),
];
const EXCLUDE: &str = "# Patterns of files that are ignored in this copy of the repository only.\n";
const HINT: &str = "hint: Using 'master' as the name for the initial branch. This default branch name\n\
hint: is subject to change. To configure the initial branch name to use in all\n\
hint: of your new repositories, which will suppress this warning, call:\n\
hint:\n\
hint: \tgit config --global init.defaultBranch <name>\n\
hint:\n\
hint: Names commonly chosen instead of 'master' are 'main', 'trunk' and\n\
hint: 'development'. The just-created branch can be renamed via this command:\n\
hint:\n\
hint: \tgit branch -m <name>";

pub(crate) fn run(globals: &Globals, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    if words.value("separate-git-dir").is_some() {
        return Err(crate::fail::refuse("--separate-git-dir"));
    }
    let here = std::env::current_dir()?;
    let folder = words.operands.first().map_or(here.clone(), |name| normal(&here.join(name)));
    let bare = words.has("bare");
    let meta = match &globals.git_dir {
        Some(path) => normal(&here.join(path)),
        None if bare => folder,
        None => folder.join(".git"),
    };
    let again = meta.join("HEAD").exists();
    let configured =
        git2::Config::open_default().and_then(|c| c.get_string("init.defaultbranch")).ok();
    let given =
        globals.settings.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case("init.defaultbranch"));
    let configured = given.map(|(_, v)| v.clone()).or(configured);
    let asked = words.value("initial-branch").map(str::to_owned);
    if !again && asked.is_none() && configured.is_none() && !words.has("quiet") {
        crate::out::note(HINT);
    }
    let branch = asked.or(configured).unwrap_or_else(|| "master".to_owned());
    create(&meta, &branch, bare)
        .map_err(|e| fatal(format!("cannot mkdir {}: {}", meta.display(), io_text(&e))))?;
    if !words.has("quiet") {
        let what = if again { "Reinitialized existing" } else { "Initialized empty" };
        outln!("{what} Git repository in {}/", meta.display());
    }
    Ok(0)
}

/// Makes what is missing of a repository.
pub(crate) fn create(meta: &Path, branch: &str, bare: bool) -> std::io::Result<()> {
    for folder in
        ["branches", "hooks", "info", "objects/info", "objects/pack", "refs/heads", "refs/tags"]
    {
        std::fs::create_dir_all(meta.join(folder))?;
    }
    let logs = if bare { "" } else { "\tlogallrefupdates = true\n" };
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = {bare}\n{logs}"
    );
    let files = [
        ("HEAD", format!("ref: refs/heads/{branch}\n")),
        ("config", config),
        (
            "description",
            "Unnamed repository; edit this file 'description' to name the repository.\n".to_owned(),
        ),
        ("info/exclude", EXCLUDE.to_owned()),
    ];
    for (name, text) in files {
        let file: PathBuf = meta.join(name);
        if !file.exists() {
            std::fs::write(file, text)?;
        }
    }
    Ok(())
}
