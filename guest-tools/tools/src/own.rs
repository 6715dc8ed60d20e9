//! Tools for which no crate compiles for WASI, or none exists: small, our own.

pub(crate) mod awk;
pub(crate) mod bc;
pub(crate) mod compress;
pub(crate) mod dd;
pub(crate) mod df;
pub(crate) mod diff;
pub(crate) mod du;
pub(crate) mod ed;
pub(crate) mod edit;
pub(crate) mod env;
pub(crate) mod file;
pub(crate) mod hexdump;
pub(crate) mod iconv;
pub(crate) mod install;
pub(crate) mod kill;
pub(crate) mod make;
pub(crate) mod mode;
pub(crate) mod options;
pub(crate) mod patch;
pub(crate) mod sdiff;
pub(crate) mod sed;
pub(crate) mod stat;
pub(crate) mod system;
pub(crate) mod tail;
pub(crate) mod tar;
pub(crate) mod text;
pub(crate) mod timeout;
pub(crate) mod tree;
pub(crate) mod which;
pub(crate) mod xargs;
pub(crate) mod zip;

use std::ffi::OsString;

/// How a tool of ours was called.
pub(crate) struct Call<'a> {
    /// The tool's name.
    pub(crate) name: &'a str,
    /// What follows it.
    pub(crate) args: Vec<&'a str>,
}

/// An exit status, or a message for exit status 2.
pub(crate) type R = Result<i32, Box<dyn std::error::Error>>;

/// Runs a tool and turns its error into a message.
pub(crate) fn run(args: &[OsString], tool: fn(&Call<'_>) -> R) -> i32 {
    let text: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let mut words = text.iter().map(String::as_str);
    let name = words.next().map_or("", |path| path.rsplit('/').next().unwrap_or(path));
    let call = Call { name, args: words.collect() };
    tool(&call).unwrap_or_else(|e| {
        eprintln!("{name}: {e}");
        2
    })
}

/// Does nothing, successfully: `sync`, and `chown` where there is one user.
pub(crate) fn nothing(_: &Call<'_>) -> R {
    Ok(0)
}

/// What an error says, without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Whether the locale says that texts are UTF-8.
pub(crate) fn text_encoding() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The escapes of a format, as `printf` has them.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('0') => out.push('\0'),
            Some('\\') => out.push('\\'),
            Some('"') => out.push('"'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}
