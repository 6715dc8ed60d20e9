//! Every tool by its name. The image gets one program in /usr/bin for each line of [`TABLE`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::base_name;
use crate::own::{
    self, awk, bc, compress, dd, df, diff, du, ed, edit, env, file, hexdump, iconv, install, kill,
    make, mode, nothing, patch, sdiff, sed, stat, system, tail, tar, text, timeout, tree, which,
    xargs, zip,
};

/// argv, the tool's name first.
pub(crate) type Args = Vec<OsString>;
/// Runs a tool and returns its exit status.
pub(crate) type Tool = fn(Args) -> i32;

/// A tool from one of the uutils crates.
macro_rules! uu {
    ($name:ident) => {
        |args| {
            localize(&args);
            $name::uumain(args.into_iter())
        }
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
    ("awk", |a| awk::main(&strings(&a))),
    ("b2sum", uu!(uu_b2sum)),
    ("base32", uu!(uu_base32)),
    ("base64", uu!(uu_base64)),
    ("basename", uu!(uu_basename)),
    ("basenc", uu!(uu_basenc)),
    ("bc", own!(bc::run)),
    ("bunzip2", own!(compress::run)),
    ("bzcat", own!(compress::run)),
    ("bzip2", own!(compress::run)),
    ("cat", uu!(uu_cat)),
    ("chgrp", own!(mode::chown)),
    ("chmod", own!(mode::chmod)),
    ("chown", own!(mode::chown)),
    ("cksum", uu!(uu_cksum)),
    ("cmp", |_| status(diffutilslib::cmp::main(std::env::args_os().peekable()))),
    ("column", own!(text::column)),
    ("comm", uu!(uu_comm)),
    ("cp", uu!(uu_cp)),
    ("csplit", uu!(uu_csplit)),
    ("cut", uu!(uu_cut)),
    ("date", uu!(uu_date)),
    ("dd", own!(dd::run)),
    ("df", own!(df::run)),
    ("diff", |a| diff::main(&strings(&a))),
    ("dir", uu!(uu_dir)),
    ("dircolors", uu!(uu_dircolors)),
    ("dirname", uu!(uu_dirname)),
    ("du", own!(du::run)),
    ("echo", uu!(uu_echo)),
    ("ed", own!(ed::run)),
    ("egrep", |a| grep(a, "-E")),
    ("env", own!(env::run)),
    ("expand", uu!(uu_expand)),
    ("expr", uu!(uu_expr)),
    ("factor", uu!(uu_factor)),
    ("false", uu!(uu_false)),
    ("fgrep", |a| grep(a, "-F")),
    ("file", own!(file::run)),
    ("find", find),
    ("fmt", uu!(uu_fmt)),
    ("fold", uu!(uu_fold)),
    ("free", own!(system::free)),
    ("grep", uu!(uu_grep)),
    ("groups", own!(system::id)),
    ("gunzip", own!(compress::run)),
    ("gzip", own!(compress::run)),
    ("hd", own!(hexdump::run)),
    ("head", uu!(uu_head)),
    ("hexdump", own!(hexdump::run)),
    ("hostname", own!(system::hostname)),
    ("iconv", own!(iconv::run)),
    ("id", own!(system::id)),
    ("install", own!(install::run)),
    ("ionice", own!(system::starter)),
    ("join", uu!(uu_join)),
    ("jq", |_| status(jaq::main())),
    ("kill", own!(kill::run)),
    ("killall", own!(system::by_name)),
    ("less", own!(text::pager)),
    ("link", uu!(uu_link)),
    ("ln", uu!(uu_ln)),
    ("ls", uu!(uu_ls)),
    ("make", own!(make::run)),
    ("md5sum", uu!(uu_md5sum)),
    ("mkdir", uu!(uu_mkdir)),
    ("mktemp", uu!(uu_mktemp)),
    ("more", own!(text::pager)),
    ("mv", uu!(uu_mv)),
    ("nice", own!(system::starter)),
    ("nl", uu!(uu_nl)),
    ("nohup", own!(system::starter)),
    ("nproc", uu!(uu_nproc)),
    ("numfmt", uu!(uu_numfmt)),
    ("od", uu!(uu_od)),
    ("paste", uu!(uu_paste)),
    ("patch", own!(patch::run)),
    ("pathchk", uu!(uu_pathchk)),
    ("pgrep", own!(system::by_name)),
    ("pkill", own!(system::by_name)),
    ("playpen-edit", own!(edit::run)),
    ("pr", uu!(uu_pr)),
    ("printenv", uu!(uu_printenv)),
    ("printf", uu!(uu_printf)),
    ("ps", own!(system::ps)),
    ("ptx", uu!(uu_ptx)),
    ("pwd", uu!(uu_pwd)),
    ("readlink", uu!(uu_readlink)),
    ("realpath", uu!(uu_realpath)),
    ("rev", own!(text::rev)),
    ("rg", |_| status(ripgrep::main())),
    ("rm", uu!(uu_rm)),
    ("rmdir", uu!(uu_rmdir)),
    ("sdiff", own!(sdiff::run)),
    ("sed", |a| sed::main(&strings(&a))),
    ("seq", uu!(uu_seq)),
    ("setsid", own!(system::starter)),
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
    ("stdbuf", own!(system::starter)),
    ("strings", own!(text::strings)),
    ("sum", uu!(uu_sum)),
    ("sync", own!(nothing)),
    ("tac", tac),
    ("tail", |a| tail::main(a, uu!(uu_tail))),
    ("tar", own!(tar::run)),
    ("tee", uu!(uu_tee)),
    ("test", uu!(uu_test)),
    ("timeout", own!(timeout::run)),
    ("touch", touch),
    ("tr", uu!(uu_tr)),
    ("tree", own!(tree::run)),
    ("true", uu!(uu_true)),
    ("truncate", uu!(uu_truncate)),
    ("tsort", uu!(uu_tsort)),
    ("tty", uu!(uu_tty)),
    ("uname", own!(system::uname)),
    ("unexpand", uu!(uu_unexpand)),
    ("uniq", uu!(uu_uniq)),
    ("unlink", uu!(uu_unlink)),
    ("unxz", own!(compress::run)),
    ("unzip", own!(zip::unzip)),
    ("uptime", own!(system::uptime)),
    ("vdir", uu!(uu_vdir)),
    ("wc", uu!(uu_wc)),
    ("which", own!(which::run)),
    ("whoami", own!(system::id)),
    ("xargs", own!(xargs::run)),
    ("xxd", own!(hexdump::xxd)),
    ("xz", own!(compress::run)),
    ("xzcat", own!(compress::run)),
    ("yes", uu!(uu_yes)),
    ("zcat", own!(compress::run)),
    ("zip", own!(zip::zip)),
];

/// The tool called `name`.
pub(crate) fn find_tool(name: &str) -> Option<Tool> {
    TABLE.binary_search_by_key(&name, |(name, _)| name).ok().map(|i| TABLE[i].1)
}

/// Prepares the messages of the uutils crates, which takes longer than many a tool of ours.
fn localize(args: &Args) {
    let name = args.first().map(|name| base_name(name)).unwrap_or_default();
    // uucore takes its messages from the file of the utility's own name.
    let messages = match name.as_str() {
        "[" => "test",
        "egrep" | "fgrep" => "grep",
        "less" | "more" => "cat",
        other => other,
    };
    let _ = uucore::locale::setup_localization(messages);
}

fn grep(mut args: Args, flavor: &str) -> i32 {
    localize(&args);
    args.insert(1, flavor.into());
    uu_grep::uumain(args.into_iter())
}

/// A separator that begins with dashes is no option.
fn tac(args: Args) -> i32 {
    localize(&args);
    let mut joined: Args = vec![];
    let mut rest = args.into_iter();
    while let Some(arg) = rest.next() {
        match arg.to_str() {
            Some("-s" | "--separator") => {
                let mut option = OsString::from("--separator=");
                option.push(rest.next().unwrap_or_default());
                joined.push(option);
            }
            _ => joined.push(arg),
        }
    }
    uu_tac::uumain(joined.into_iter())
}

/// `-` is standard output, whose time nobody can see.
fn touch(mut args: Args) -> i32 {
    localize(&args);
    let is_operand = |at: usize, args: &Args| {
        let takes = |before: &OsString| before == "-d" || before == "-t" || before == "-r";
        at > 0 && args[at] == "-" && !takes(&args[at - 1])
    };
    let n_before = args.len();
    let mut at = args.len();
    while at > 0 {
        at -= 1;
        if is_operand(at, &args) {
            args.remove(at);
        }
    }
    let has_files = args.iter().skip(1).any(|arg| !arg.to_string_lossy().starts_with('-'));
    if n_before > args.len() && !has_files {
        return 0;
    }
    uu_touch::uumain(args.into_iter())
}

fn find(args: Args) -> i32 {
    localize(&args);
    let text = strings(&args);
    let words: Vec<&str> = text.iter().map(String::as_str).collect();
    findutils::find::find_main(&words, &findutils::find::StandardDependencies::new())
}

fn strings(args: &Args) -> Vec<String> {
    args.iter().map(|a| a.to_string_lossy().into_owned()).collect()
}

/// The number in an exit code, which has no getter.
fn status(code: ExitCode) -> i32 {
    let is = |n: &u8| format!("{code:?}") == format!("{:?}", ExitCode::from(*n));
    (0..=u8::MAX).find(is).map_or(2, i32::from)
}
