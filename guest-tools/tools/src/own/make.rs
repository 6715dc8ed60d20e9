//! `make`: makefiles with recipes for the shell, as GNU make reads them.
//!
//! As many recipes run at the same time as `-j` says, here and in each make that a recipe calls: there is no jobserver.
//! There are no implicit rules: there is no compiler that they could call. `vpath`, archives and `.SECONDEXPANSION` are not there.

mod build;
mod functions;
mod jobs;
mod parse;
mod rules;
mod vars;

use std::io::Write as _;

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};
use build::{Builder, Failure};
use parse::Reader;
use rules::Rules;
use vars::{Origin, Res, Vars};

const SPEC: Spec = Spec {
    flags: "bmBeiknpqrRsSwtvhd",
    values: "CfIoW",
    attached: "jlO",
    longs: &[
        ("always-make", 'B'),
        ("directory", 'C'),
        ("dry-run", 'n'),
        ("just-print", 'n'),
        ("recon", 'n'),
        ("environment-overrides", 'e'),
        ("file", 'f'),
        ("makefile", 'f'),
        ("help", 'h'),
        ("ignore-errors", 'i'),
        ("include-dir", 'I'),
        ("jobs?", 'j'),
        ("jobs-of=", 'j'),
        ("trace", 'T'),
        ("load-average?", 'l'),
        ("keep-going", 'k'),
        ("no-builtin-rules", 'r'),
        ("no-builtin-variables", 'R'),
        ("no-keep-going", 'S'),
        ("no-print-directory", 'N'),
        ("output-sync?", 'O'),
        ("print-directory", 'w'),
        ("question", 'q'),
        ("quiet", 's'),
        ("silent", 's'),
        ("version", 'v'),
    ],
    stops: false,
};

const HELP: &str = "Usage: make [options] [target] ...
Options:
  -B, --always-make           Unconditionally make all targets.
  -C DIRECTORY                Change to DIRECTORY before doing anything.
  -f FILE                     Read FILE as a makefile.
  -i, --ignore-errors         Ignore errors from recipes.
  -j [N], --jobs[=N]          Allow N jobs at once; many with no arg.
  -k, --keep-going            Keep going when some targets can't be made.
  -n, --dry-run               Don't actually run any recipe; just print them.
  -q, --question              Run no recipe; exit status says if up to date.
  -s, --silent                Don't echo recipes.
  --no-print-directory        Don't print the current directory.
  NAME=VALUE                  Set a variable.";

/// What the options say about making.
#[derive(Debug, Default)]
struct Flags {
    is_dry: bool,
    is_silent: bool,
    goes_on: bool,
    ignores_errors: bool,
    always: bool,
    asks: bool,
    traces: bool,
    max_jobs: usize,
}

/// How many recipes run at the same time where `-j` has no number.
const MANY: usize = 64;

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&words(&call.args), &SPEC) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("make: {error}\n{HELP}");
            return Ok(2);
        }
    };
    if parsed.has('h') || parsed.has('v') {
        println!(
            "{}",
            if parsed.has('h') {
                HELP
            } else {
                "GNU Make 4.3 (makefiles are read as it reads them)"
            }
        );
        return Ok(0);
    }
    let level: u32 = std::env::var("MAKELEVEL").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    let name = if level == 0 { "make".to_owned() } else { format!("make[{level}]") };
    for folder in parsed.all('C') {
        if let Err(error) = std::env::set_current_dir(folder) {
            eprintln!("{name}: *** {folder}: {}.  Stop.", reason(&error));
            return Ok(2);
        }
    }
    let inherited = std::env::var("MAKEFLAGS").unwrap_or_default();
    let letters = inherited.split(' ').next().filter(|it| !it.starts_with('-')).unwrap_or("");
    let has = |letter: char| parsed.has(letter) || letters.contains(letter);
    let flags = Flags {
        is_dry: has('n'),
        is_silent: has('s'),
        goes_on: has('k') && !parsed.has('S'),
        ignores_errors: has('i'),
        always: has('B'),
        asks: has('q'),
        traces: parsed.has('T'),
        max_jobs: match jobs(&parsed, &inherited) {
            Ok(number) => number,
            Err(error) => {
                eprintln!("{name}: {error}\n{HELP}");
                return Ok(2);
            }
        },
    };
    let tells_folder = (parsed.has('C') || parsed.has('w') || level > 0)
        && !parsed.has('N')
        && !inherited.contains("--no-print-directory")
        && !flags.is_silent;
    let here = std::env::current_dir()?.display().to_string();
    if tells_folder {
        println!("{name}: Entering directory '{here}'");
    }
    let code = make(&name, &parsed, &flags, level, &here);
    if tells_folder {
        println!("{name}: Leaving directory '{here}'");
    }
    let _ = std::io::stdout().flush();
    Ok(code)
}

/// The number of `-j`, or that of the make that has called this one.
fn jobs(parsed: &Parsed, inherited: &str) -> Result<usize, String> {
    let of_caller = || inherited.split(' ').find_map(|it| it.strip_prefix("-j"));
    match parsed.value('j').or_else(of_caller) {
        None => Ok(1),
        Some("") => Ok(MANY),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| "the '-j' option requires a positive integer argument".to_owned()),
    }
}

/// `-j 4` is `-j` and its number.
fn words<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut out: Vec<&str> = vec![];
    for word in args {
        let is_number = word.chars().all(|c| c.is_ascii_digit()) && !word.is_empty();
        let is_value = is_number && matches!(out.last(), Some(&"-j" | &"-l" | &"--jobs"));
        match out.last() {
            Some(&("-j" | "--jobs")) if is_value => out.extend(["--jobs-of", word]),
            _ if is_value => {}
            _ => out.push(word),
        }
    }
    out
}

fn make(name: &str, parsed: &Parsed, flags: &Flags, level: u32, here: &str) -> i32 {
    let (given, goals): (Vec<&String>, Vec<&String>) =
        parsed.operands.iter().partition(|it| it.contains('='));
    let mut vars = Vars::new();
    set_up(&mut vars, parsed, &given, &goals, level, here);
    let mut rules = Rules::default();
    if let Err(error) = read(&mut vars, &mut rules, parsed) {
        eprintln!("{}", stopped(name, &error));
        return 2;
    }
    let mut goals: Vec<String> = goals.into_iter().cloned().collect();
    if goals.is_empty() {
        let default = vars.value(".DEFAULT_GOAL").unwrap_or_default();
        let first = Some(default).filter(|it| !it.is_empty()).or(rules.first.clone());
        let Some(first) = first else {
            eprintln!("{name}: *** No targets.  Stop.");
            return 2;
        };
        goals.push(first);
    }
    let mut builder = Builder::new(name.to_owned(), &mut vars, &rules, flags);
    let goals: Vec<String> = goals.iter().map(|it| it.trim().to_owned()).collect();
    match builder.goals(&goals) {
        Ok(true) => 0,
        Ok(false) => 2,
        Err(Failure::Told) => {
            if flags.asks {
                1
            } else {
                2
            }
        }
        Err(Failure::Stop(error)) => {
            eprintln!("{}", stopped(name, &error));
            2
        }
    }
}

/// An error as it is printed: one of a line of a makefile says where itself.
fn stopped(name: &str, error: &str) -> String {
    if error.ends_with(".  Stop.") {
        error.to_owned()
    } else {
        format!("{name}: *** {error}.  Stop.")
    }
}

fn set_up(
    vars: &mut Vars,
    parsed: &Parsed,
    given: &[&String],
    goals: &[&String],
    level: u32,
    here: &str,
) {
    let environment = if parsed.has('e') { Origin::CommandLine } else { Origin::Environment };
    for (name, value) in std::env::vars() {
        vars.set(&name, &value.replace('$', "$$"), true, environment);
    }
    let defaults = [
        ("MAKE", "make"),
        ("MAKE_VERSION", "4.3"),
        ("MAKE_COMMAND", "make"),
        (".SHELLFLAGS", "-c"),
        ("RM", "rm -f"),
        ("CC", "cc"),
        ("CXX", "g++"),
        ("AR", "ar"),
    ];
    for (name, value) in defaults {
        if vars.get(name).is_none() {
            vars.set(name, value, false, Origin::Default);
        }
    }
    vars.set("SHELL", "/bin/sh", false, Origin::File);
    vars.set("CURDIR", here, false, Origin::File);
    let goals: Vec<&str> = goals.iter().map(|it| it.as_str()).collect();
    vars.set("MAKECMDGOALS", &goals.join(" "), false, Origin::Default);
    let letters: String = "Biknqs".chars().filter(|it| parsed.has(*it)).collect();
    let mut flags = letters;
    if parsed.has('N') {
        flags.push_str(" --no-print-directory");
    }
    if let Ok(number) = jobs(parsed, &std::env::var("MAKEFLAGS").unwrap_or_default())
        && number > 1
    {
        flags.push_str(&format!(
            " -j{}",
            if number == MANY { String::new() } else { number.to_string() }
        ));
    }
    for text in given {
        if let Some((name, value)) = text.split_once('=') {
            let name = name.trim_end_matches([':', '+', '?']);
            vars.set(name, value, true, Origin::CommandLine);
            flags.push_str(&format!(" {text}"));
        }
    }
    vars.set("MAKEFLAGS", flags.trim_start(), false, Origin::CommandLine);
    vars.set("MAKELEVEL", &level.to_string(), false, Origin::CommandLine);
}

fn read(vars: &mut Vars, rules: &mut Rules, parsed: &Parsed) -> Res<()> {
    let inherited = std::env::var("MAKEFLAGS").unwrap_or_default();
    for text in inherited.split(' ').filter(|it| it.contains('=') && !it.starts_with('-')) {
        if let Some((name, value)) = text.split_once('=') {
            vars.set(name, value, true, Origin::CommandLine);
        }
    }
    let named: Vec<&str> = parsed.all('f').collect();
    let mut reader = Reader::new(vars, rules);
    if named.is_empty() {
        return match parse::default_file() {
            Some(file) => reader.file(file).map(drop),
            None if parsed.operands.is_empty() => {
                Err("No targets specified and no makefile found".to_owned())
            }
            None => Ok(()),
        };
    }
    for file in named {
        if !reader.file(file)? {
            eprintln!("make: {file}: No such file or directory");
            return Err(format!("No rule to make target '{file}'"));
        }
    }
    Ok(())
}
