//! Every tool by its name. The image gets one program in /usr/bin for each line of [`TABLE`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::own::{
    self, awk, chmod, df, du, edit, gzip, identity, kill, nothing, patch, rev, stat, tar, timeout,
    tree, which,
};

/// argv, the tool's name first.
pub(crate) type Args = Vec<OsString>;
/// Runs a tool and returns its exit status.
pub(crate) type Tool = fn(Args) -> i32;

/// A tool from one of the uutils crates.
macro_rules! uu {
    ($name:ident) => {
        |args| $name::uumain(args.into_iter())
    };
}

/// A tool of ours.
macro_rules! own {
    ($tool:path) => {
        |args| own::run(&args, $tool)
    };
}

/// Sorted by name.
#[rustfmt::skip]
pub(crate) static TABLE: &[(&str, Tool)] = &[
    ("[", uu!(uu_test)),
    ("arch", uu!(uu_arch)),
    ("awk", own!(awk::run)),
    ("b2sum", uu!(uu_b2sum)),
    ("base32", uu!(uu_base32)),
    ("base64", uu!(uu_base64)),
    ("basename", uu!(uu_basename)),
    ("basenc", uu!(uu_basenc)),
    ("cat", uu!(uu_cat)),
    ("chmod", own!(chmod::run)),
    ("chown", own!(nothing)),
    ("cksum", uu!(uu_cksum)),
    ("cmp", |_| status(diffutilslib::cmp::main(std::env::args_os().peekable()))),
    ("comm", uu!(uu_comm)),
    ("cp", uu!(uu_cp)),
    ("csplit", uu!(uu_csplit)),
    ("cut", uu!(uu_cut)),
    ("date", uu!(uu_date)),
    ("dd", uu!(uu_dd)),
    ("df", own!(df::run)),
    ("diff", |_| status(diffutilslib::diff::main(std::env::args_os().peekable()))),
    ("dir", uu!(uu_dir)),
    ("dircolors", uu!(uu_dircolors)),
    ("dirname", uu!(uu_dirname)),
    ("du", own!(du::run)),
    ("echo", uu!(uu_echo)),
    ("egrep", |a| grep(a, "-E")),
    ("env", uu!(uu_env)),
    ("expand", uu!(uu_expand)),
    ("expr", uu!(uu_expr)),
    ("factor", uu!(uu_factor)),
    ("false", uu!(uu_false)),
    ("fgrep", |a| grep(a, "-F")),
    ("find", find),
    ("fmt", uu!(uu_fmt)),
    ("fold", uu!(uu_fold)),
    ("grep", uu!(uu_grep)),
    ("groups", own!(identity::run)),
    ("gunzip", own!(gzip::run)),
    ("gzip", own!(gzip::run)),
    ("head", uu!(uu_head)),
    ("hostname", own!(identity::run)),
    ("id", own!(identity::run)),
    ("join", uu!(uu_join)),
    ("kill", own!(kill::run)),
    ("less", uu!(uu_cat)),
    ("link", uu!(uu_link)),
    ("ln", uu!(uu_ln)),
    ("ls", uu!(uu_ls)),
    ("md5sum", uu!(uu_md5sum)),
    ("mkdir", uu!(uu_mkdir)),
    ("mktemp", uu!(uu_mktemp)),
    ("more", uu!(uu_cat)),
    ("mv", uu!(uu_mv)),
    ("nl", uu!(uu_nl)),
    ("nproc", uu!(uu_nproc)),
    ("numfmt", uu!(uu_numfmt)),
    ("od", uu!(uu_od)),
    ("paste", uu!(uu_paste)),
    ("patch", own!(patch::run)),
    ("pathchk", uu!(uu_pathchk)),
    ("playpen-edit", own!(edit::run)),
    ("pr", uu!(uu_pr)),
    ("printenv", uu!(uu_printenv)),
    ("printf", uu!(uu_printf)),
    ("ptx", uu!(uu_ptx)),
    ("pwd", uu!(uu_pwd)),
    ("readlink", uu!(uu_readlink)),
    ("realpath", uu!(uu_realpath)),
    ("rev", own!(rev::run)),
    ("rm", uu!(uu_rm)),
    ("rmdir", uu!(uu_rmdir)),
    ("sed", |a| sed::sed::uumain(a.into_iter())),
    ("seq", uu!(uu_seq)),
    ("sha1sum", uu!(uu_sha1sum)),
    ("sha224sum", uu!(uu_sha224sum)),
    ("sha256sum", uu!(uu_sha256sum)),
    ("sha384sum", uu!(uu_sha384sum)),
    ("sha512sum", uu!(uu_sha512sum)),
    ("shred", uu!(uu_shred)),
    ("shuf", uu!(uu_shuf)),
    ("sleep", uu!(uu_sleep)),
    ("sort", uu!(uu_sort)),
    ("split", uu!(uu_split)),
    ("stat", own!(stat::run)),
    ("sum", uu!(uu_sum)),
    ("sync", own!(nothing)),
    ("tac", uu!(uu_tac)),
    ("tail", uu!(uu_tail)),
    ("tar", own!(tar::run)),
    ("tee", uu!(uu_tee)),
    ("test", uu!(uu_test)),
    ("timeout", own!(timeout::run)),
    ("touch", uu!(uu_touch)),
    ("tr", uu!(uu_tr)),
    ("tree", own!(tree::run)),
    ("true", uu!(uu_true)),
    ("truncate", uu!(uu_truncate)),
    ("tsort", uu!(uu_tsort)),
    ("tty", uu!(uu_tty)),
    ("uname", uu!(uu_uname)),
    ("unexpand", uu!(uu_unexpand)),
    ("uniq", uu!(uu_uniq)),
    ("unlink", uu!(uu_unlink)),
    ("vdir", uu!(uu_vdir)),
    ("wc", uu!(uu_wc)),
    ("which", own!(which::run)),
    ("whoami", own!(identity::run)),
    ("xargs", xargs),
    ("yes", uu!(uu_yes)),
    ("zcat", own!(gzip::run)),
];

/// The tool called `name`.
pub(crate) fn find_tool(name: &str) -> Option<Tool> {
    TABLE.binary_search_by_key(&name, |(name, _)| name).ok().map(|i| TABLE[i].1)
}

fn grep(mut args: Args, flavor: &str) -> i32 {
    args.insert(1, flavor.into());
    uu_grep::uumain(args.into_iter())
}

fn find(args: Args) -> i32 {
    let text = text(&args);
    let words: Vec<&str> = text.iter().map(String::as_str).collect();
    findutils::find::find_main(&words, &findutils::find::StandardDependencies::new())
}

fn xargs(args: Args) -> i32 {
    let text = text(&args);
    let words: Vec<&str> = text.iter().map(String::as_str).collect();
    findutils::xargs::xargs_main(&words)
}

fn text(args: &Args) -> Vec<String> {
    args.iter().map(|a| a.to_string_lossy().into_owned()).collect()
}

/// The number in an exit code, which has no getter: these tools use 0, 1 and 2.
fn status(code: ExitCode) -> i32 {
    let is = |n: &u8| format!("{code:?}") == format!("{:?}", ExitCode::from(*n));
    [0u8, 1].into_iter().find(is).map_or(2, i32::from)
}
