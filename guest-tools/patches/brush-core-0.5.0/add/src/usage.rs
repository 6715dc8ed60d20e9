//! What bash says of a builtin that is called the wrong way.
#![allow(clippy::all, clippy::pedantic, clippy::nursery)]

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// How builtins are called.
const SYNOPSES: [(&str, &str); 46] = [
    (".", "filename [arguments]"),
    ("alias", "[-p] [name[=value] ... ]"),
    ("bg", "[job_spec ...]"),
    ("break", "[n]"),
    ("builtin", "[shell-builtin [arg ...]]"),
    ("caller", "[expr]"),
    ("cd", "[-L|[-P [-e]] [-@]] [dir]"),
    ("command", "[-pVv] command [arg ...]"),
    ("continue", "[n]"),
    ("declare", "[-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]"),
    ("dirs", "[-clpv] [+N] [-N]"),
    ("disown", "[-h] [-ar] [jobspec ... | pid ...]"),
    ("enable", "[-a] [-dnps] [-f filename] [name ...]"),
    ("eval", "[arg ...]"),
    ("exec", "[-cl] [-a name] [command [argument ...]] [redirection ...]"),
    ("exit", "[n]"),
    ("export", "[-fn] [name[=value] ...] or export -p"),
    ("fg", "[job_spec]"),
    ("getopts", "optstring name [arg ...]"),
    ("hash", "[-lr] [-p pathname] [-dt] [name ...]"),
    ("help", "[-dms] [pattern ...]"),
    ("history", "[-c] [-d offset] [n] or history -anrw [filename] or history -ps arg [arg...]"),
    ("jobs", "[-lnprs] [jobspec ...] or jobs -x command [args]"),
    ("kill", "[-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]"),
    ("let", "arg [arg ...]"),
    ("local", "[option] name[=value] ..."),
    ("mapfile", "[-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]"),
    ("popd", "[-n] [+N | -N]"),
    ("printf", "[-v var] format [arguments]"),
    ("pushd", "[-n] [+N | -N | dir]"),
    ("pwd", "[-LP]"),
    ("read", "[-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]"),
    ("readarray", "[-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]"),
    ("readonly", "[-aAf] [name[=value] ...] or readonly -p"),
    ("return", "[n]"),
    ("set", "[-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]"),
    ("shift", "[n]"),
    ("shopt", "[-pqsu] [-o] [optname ...]"),
    ("source", "filename [arguments]"),
    ("trap", "[-lp] [[arg] signal_spec ...]"),
    ("type", "[-afptP] name [name ...]"),
    ("typeset", "[-aAfFgiIlnrtux] name[=value] ... or typeset -p [-aAfFilnrtux] [name ...]"),
    ("umask", "[-p] [-S] [mode]"),
    ("unalias", "[-a] name [name ...]"),
    ("unset", "[-f] [-v] [-n] [name ...]"),
    ("wait", "[-fn] [-p var] [id ...]"),
];

/// `NAME: usage: NAME ...`, for a builtin that is known.
pub fn line(name: &str) -> Option<String> {
    let (_, synopsis) = SYNOPSES.iter().find(|(it, _)| *it == name)?;
    Some(format!("{name}: usage: {name} {synopsis}\n"))
}

/// `NAME: NAME ...`, as `help -s` prints it.
pub fn short(name: &str) -> Option<String> {
    let (_, synopsis) = SYNOPSES.iter().find(|(it, _)| *it == name)?;
    Some(format!("{name}: {name} {synopsis}\n"))
}

/// The message for arguments that do not fit, after `prefix`, and the status that comes with it.
pub fn message(e: &clap::Error, prefix: &str, name: &str) -> (String, u8) {
    let shown = |kind| match e.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let usage = || line(name).unwrap_or_default();
    let plain = |why: &str, status| (format!("{prefix}{name}: {why}\n"), status);
    let with_usage = |why: &str| (format!("{prefix}{name}: {why}\n{}", usage()), 2);
    let argument = shown(ContextKind::InvalidArg);
    match e.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => (e.to_string(), 2),
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let option = if argument.starts_with("--") { "--".to_owned() } else { argument };
            with_usage(&format!("{option}: invalid option"))
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => plain("too many arguments", 1),
        ErrorKind::MissingRequiredArgument => match name {
            "source" | "." => with_usage("filename argument required"),
            "let" => plain("expression expected", 1),
            _ => (usage(), 2),
        },
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let value = shown(ContextKind::InvalidValue);
            match argument.split_whitespace().next() {
                Some(option) if option.starts_with('-') && value.is_empty() => {
                    with_usage(&format!("{option}: option requires an argument"))
                }
                _ => plain(&format!("{value}: numeric argument required"), if name == "shift" { 1 } else { 2 }),
            }
        }
        _ => with_usage(&e.to_string()),
    }
}
