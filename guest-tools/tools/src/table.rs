//! Every tool by its name. The image gets one program in /usr/bin for each line of [`TABLE`].

use std::ffi::OsString;
use std::process::ExitCode;

use crate::own::{
    self, absent, awk, compress, dd, df, diff, du, edit, file, hexdump, install, kill, mode,
    nothing, patch, sed, stat, system, tar, text, timeout, tree, which, xargs, zip,
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
    ("apt", own!(absent::run)),
    ("apt-get", own!(absent::run)),
    ("arch", uu!(uu_arch)),
    ("awk", |a| awk::main(&strings(&a))),
    ("b2sum", uu!(uu_b2sum)),
    ("base32", uu!(uu_base32)),
    ("base64", uu!(uu_base64)),
    ("basename", uu!(uu_basename)),
    ("basenc", uu!(uu_basenc)),
    ("bc", own!(absent::run)),
    ("brew", own!(absent::run)),
    ("bunzip2", own!(compress::run)),
    ("bzcat", own!(compress::run)),
    ("bzip2", own!(compress::run)),
    ("cargo", own!(absent::run)),
    ("cat", uu!(uu_cat)),
    ("cc", own!(absent::run)),
    ("chgrp", own!(nothing)),
    ("chmod", own!(mode::chmod)),
    ("chown", own!(nothing)),
    ("cksum", uu!(uu_cksum)),
    ("cmake", own!(absent::run)),
    ("cmp", |_| status(diffutilslib::cmp::main(std::env::args_os().peekable()))),
    ("column", own!(text::column)),
    ("comm", uu!(uu_comm)),
    ("conda", own!(absent::run)),
    ("cp", uu!(uu_cp)),
    ("csplit", uu!(uu_csplit)),
    ("curl", own!(absent::run)),
    ("cut", uu!(uu_cut)),
    ("date", uu!(uu_date)),
    ("dd", own!(dd::run)),
    ("df", own!(df::run)),
    ("diff", |a| diff::main(&strings(&a))),
    ("dir", uu!(uu_dir)),
    ("dircolors", uu!(uu_dircolors)),
    ("dirname", uu!(uu_dirname)),
    ("dnf", own!(absent::run)),
    ("docker", own!(absent::run)),
    ("dpkg", own!(absent::run)),
    ("du", own!(du::run)),
    ("echo", uu!(uu_echo)),
    ("egrep", |a| grep(a, "-E")),
    ("emacs", own!(absent::run)),
    ("env", uu!(uu_env)),
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
    ("g++", own!(absent::run)),
    ("gcc", own!(absent::run)),
    ("gdb", own!(absent::run)),
    ("gh", own!(absent::run)),
    ("grep", uu!(uu_grep)),
    ("groups", own!(system::id)),
    ("gunzip", own!(compress::run)),
    ("gzip", own!(compress::run)),
    ("hd", own!(hexdump::run)),
    ("head", uu!(uu_head)),
    ("hexdump", own!(hexdump::run)),
    ("hostname", own!(system::hostname)),
    ("htop", own!(absent::run)),
    ("id", own!(system::id)),
    ("ifconfig", own!(absent::run)),
    ("install", own!(install::run)),
    ("ionice", own!(system::starter)),
    ("ip", own!(absent::run)),
    ("java", own!(absent::run)),
    ("join", uu!(uu_join)),
    ("jq", |_| status(jaq::main())),
    ("kill", own!(kill::run)),
    ("killall", own!(system::by_name)),
    ("less", own!(text::pager)),
    ("link", uu!(uu_link)),
    ("ln", uu!(uu_ln)),
    ("ls", uu!(uu_ls)),
    ("make", own!(absent::run)),
    ("man", own!(absent::run)),
    ("md5sum", uu!(uu_md5sum)),
    ("mkdir", uu!(uu_mkdir)),
    ("mktemp", uu!(uu_mktemp)),
    ("more", own!(text::pager)),
    ("mv", uu!(uu_mv)),
    ("nano", own!(absent::run)),
    ("nc", own!(absent::run)),
    ("nice", own!(system::starter)),
    ("nl", uu!(uu_nl)),
    ("node", own!(absent::run)),
    ("nohup", own!(system::starter)),
    ("npm", own!(absent::run)),
    ("nproc", uu!(uu_nproc)),
    ("npx", own!(absent::run)),
    ("numfmt", uu!(uu_numfmt)),
    ("od", uu!(uu_od)),
    ("paste", uu!(uu_paste)),
    ("patch", own!(patch::run)),
    ("pathchk", uu!(uu_pathchk)),
    ("perl", own!(absent::run)),
    ("pgrep", own!(system::by_name)),
    ("ping", own!(absent::run)),
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
    ("rsync", own!(absent::run)),
    ("ruby", own!(absent::run)),
    ("scp", own!(absent::run)),
    ("screen", own!(absent::run)),
    ("sed", |a| sed::main(&strings(&a))),
    ("seq", uu!(uu_seq)),
    ("service", own!(absent::run)),
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
    ("sqlite3", own!(absent::run)),
    ("ssh", own!(absent::run)),
    ("stat", own!(stat::run)),
    ("stdbuf", own!(system::starter)),
    ("strace", own!(absent::run)),
    ("strings", own!(text::strings)),
    ("su", own!(absent::run)),
    ("sudo", own!(absent::run)),
    ("sum", uu!(uu_sum)),
    ("sync", own!(nothing)),
    ("systemctl", own!(absent::run)),
    ("tac", uu!(uu_tac)),
    ("tail", uu!(uu_tail)),
    ("tar", own!(tar::run)),
    ("tee", uu!(uu_tee)),
    ("telnet", own!(absent::run)),
    ("test", uu!(uu_test)),
    ("timeout", own!(timeout::run)),
    ("tmux", own!(absent::run)),
    ("top", own!(absent::run)),
    ("touch", uu!(uu_touch)),
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
    ("vi", own!(absent::run)),
    ("vim", own!(absent::run)),
    ("wc", uu!(uu_wc)),
    ("wget", own!(absent::run)),
    ("which", own!(which::run)),
    ("whoami", own!(system::id)),
    ("xargs", own!(xargs::run)),
    ("xxd", own!(hexdump::xxd)),
    ("xz", own!(compress::run)),
    ("xzcat", own!(compress::run)),
    ("yes", uu!(uu_yes)),
    ("yum", own!(absent::run)),
    ("zcat", own!(compress::run)),
    ("zip", own!(zip::zip)),
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
