//! The commands, one module for each or for a few of a kind.

pub(crate) mod add;
pub(crate) mod archive;
pub(crate) mod blame;
pub(crate) mod branch;
pub(crate) mod checkout;
pub(crate) mod clean;
pub(crate) mod commit;
pub(crate) mod config;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod diff_plumbing;
pub(crate) mod files;
pub(crate) mod grep;
pub(crate) mod help;
pub(crate) mod init;
pub(crate) mod listing;
pub(crate) mod ls_files;
pub(crate) mod mail;
pub(crate) mod message;
pub(crate) mod name_rev;
pub(crate) mod plumbing;
pub(crate) mod remote;
pub(crate) mod reset;
pub(crate) mod restore;
pub(crate) mod rev_parse;
pub(crate) mod scripts;
pub(crate) mod tag;
pub(crate) mod transport;

use crate::fail::Outcome;
use crate::place::{Globals, Place};

type Run = fn(&Place, &[String]) -> Outcome;
type Free = fn(&Globals, &[String]) -> Outcome;

/// Commands in a repository.
pub(crate) const COMMANDS: &[(&str, Run)] = &[
    ("add", add::run),
    ("stage", add::run),
    ("am", mail::am),
    ("archive", archive::run),
    ("bisect", crate::merge::bisect::run),
    ("blame", blame::run),
    ("annotate", blame::run),
    ("branch", branch::run),
    ("cat-file", plumbing::cat_file),
    ("check-attr", plumbing::check_attr),
    ("check-ignore", plumbing::check_ignore),
    ("check-mailmap", mail::check_mailmap),
    ("checkout", checkout::checkout),
    ("cherry", scripts::cherry),
    ("cherry-pick", crate::merge::pick::cherry_pick),
    ("clean", clean::run),
    ("commit", commit::run),
    ("commit-tree", scripts::commit_tree),
    ("count-objects", plumbing::count_objects),
    ("describe", describe::describe),
    ("fetch", transport::fetch),
    ("pull", transport::pull),
    ("push", transport::push),
    ("submodule", transport::submodule),
    ("for-each-ref", plumbing::for_each_ref),
    ("diff-files", diff_plumbing::diff_files),
    ("diff-index", diff_plumbing::diff_index),
    ("diff-tree", diff_plumbing::diff_tree),
    ("format-patch", mail::format_patch),
    ("grep", grep::run),
    ("ls-files", ls_files::run),
    ("ls-remote", scripts::ls_remote),
    ("ls-tree", plumbing::ls_tree),
    ("merge", crate::merge::command::run),
    ("merge-base", plumbing::merge_base),
    ("mv", files::mv),
    ("name-rev", name_rev::run),
    ("read-tree", scripts::read_tree),
    ("rebase", crate::merge::rebase::run),
    ("remote", remote::remote),
    ("reset", reset::run),
    ("restore", restore::run),
    ("rev-list", rev_parse::rev_list),
    ("revert", crate::merge::pick::revert),
    ("rm", files::rm),
    ("shortlog", mail::shortlog),
    ("show-ref", plumbing::show_ref),
    ("stash", crate::merge::stash::run),
    ("switch", checkout::switch_command),
    ("symbolic-ref", plumbing::symbolic_ref),
    ("tag", tag::run),
    ("update-index", scripts::update_index),
    ("var", scripts::var),
    ("update-ref", plumbing::update_ref),
    ("write-tree", plumbing::write_tree),
    ("status", crate::status::run),
    ("log", crate::log::command::run),
    ("reflog", crate::log::command::reflog_command),
    ("show", crate::log::show::run),
    ("whatchanged", crate::log::command::whatchanged),
];

/// Commands that need none.
pub(crate) const FREE: &[(&str, Free)] = &[
    ("apply", crate::apply::run),
    ("clone", remote::clone),
    ("config", config::run),
    ("diff", diff::run),
    ("hash-object", plumbing::hash_object),
    ("rev-parse", rev_parse::rev_parse),
    ("help", |_, _| help::run()),
    ("init", init::run),
    ("version", |_, _| {
        crate::out::outln!("{}", crate::VERSION);
        Ok(0)
    }),
];

/// Commands of git that are not here, and what there is instead.
const ABSENT: &[(&str, &str)] = &[
    ("send-email", "the sandbox has no network"),
    ("worktree", "clone the repository with `cp -r` instead"),
    ("filter-branch", "history cannot be rewritten here"),
    ("gc", ""),
    ("maintenance", ""),
    ("prune", ""),
    ("repack", ""),
    ("update-server-info", ""),
];

/// Runs a command; `None` if there is none of that name.
pub(crate) fn run(globals: &Globals, name: &str, words: &[String]) -> Option<Outcome> {
    if let Some((_, run)) = FREE.iter().find(|(known, _)| *known == name) {
        return Some(run(globals, words));
    }
    if let Some((_, run)) = COMMANDS.iter().find(|(known, _)| *known == name) {
        return Some(Place::discover(globals).and_then(|place| run(&place, words)));
    }
    let (_, why) = ABSENT.iter().find(|(known, _)| *known == name)?;
    if why.is_empty() {
        return Some(Ok(0));
    }
    Some(Err(crate::fail::fatal(format!("`git {name}` is not in this git: {why}"))))
}
