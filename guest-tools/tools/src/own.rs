//! Tools for which no crate compiles for WASI, or none exists: small, our own.

pub(crate) mod awk;
pub(crate) mod chmod;
pub(crate) mod df;
pub(crate) mod du;
pub(crate) mod edit;
pub(crate) mod gzip;
pub(crate) mod identity;
pub(crate) mod kill;
pub(crate) mod patch;
pub(crate) mod rev;
pub(crate) mod stat;
pub(crate) mod tar;
pub(crate) mod timeout;
pub(crate) mod tree;
pub(crate) mod which;

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
