//! The tools guest: one program, every tool of [`table::TABLE`] in it. Which one it is says argv[0], or
//! argv[1] when it is called `tools`.

mod own;
mod table;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use table::{TABLE, find_tool};

fn main() {
    if let Some(code) = trivial() {
        std::process::exit(code);
    }
    // Preview 1 has no working directory of its own.
    if let Some(dir) = std::env::var_os("PWD") {
        let _ = std::env::set_current_dir(dir);
    }
    uucore::panic::mute_sigpipe_panic();
    let code = run(std::env::args_os().collect());
    let _ = std::io::stdout().flush();
    std::process::exit(code);
}

/// The exit code of `true` and `false` without arguments, which need neither a directory nor
/// messages; the rest of the start-up would be most of what they cost.
fn trivial() -> Option<i32> {
    let mut args = std::env::args_os();
    let name = base_name(&args.next()?);
    match (name.as_str(), args.next()) {
        ("true", None) => Some(0),
        ("false", None) => Some(1),
        _ => None,
    }
}

fn run(mut args: Vec<OsString>) -> i32 {
    let mut name = args.first().map(|a| base_name(a)).unwrap_or_default();
    if name == "tools" && args.len() > 1 {
        args.remove(0);
        name = base_name(&args[0]);
    }
    if name == "tools" || name == "--list" {
        TABLE.iter().for_each(|(name, _)| println!("{name}"));
        return 0;
    }
    let Some(tool) = find_tool(&name) else {
        eprintln!("tools: {name}: no such tool");
        return 127;
    };
    tool(args)
}

fn base_name(path: &OsStr) -> String {
    path.to_string_lossy().rsplit('/').next().unwrap_or_default().to_owned()
}
