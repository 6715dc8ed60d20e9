//! `bc [-l] [-q] [FILE]...`: numbers of any length, as GNU bc has them.

mod math;
mod number;
mod parse;
mod run;

use std::io::Write as _;

use super::options::{self, Spec};
use super::{Call, R, reason};
use parse::Parser;
use run::{Flow, Machine};

const SPEC: Spec = Spec {
    flags: "lqswihv",
    values: "",
    attached: "",
    longs: &[
        ("mathlib", 'l'),
        ("quiet", 'q'),
        ("standard", 's'),
        ("warn", 'w'),
        ("interactive", 'i'),
        ("help", 'h'),
        ("version", 'v'),
    ],
    stops: false,
};

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("bc: {error}\nusage: bc [options] [file ...]");
            return Ok(1);
        }
    };
    if parsed.has('h') || parsed.has('v') {
        println!(
            "usage: bc [options] [file ...]\n  -l  --mathlib     use the math functions s, c, a, l and e\n  -q  --quiet       don't print a banner (there is none)\n  -h  --help        print this usage and exit"
        );
        return Ok(0);
    }
    let line_length = std::env::var("BC_LINE_LENGTH").ok().and_then(|it| it.parse().ok());
    let mut machine = Machine::new(parsed.has('l'), line_length.unwrap_or(70));
    for file in &parsed.operands {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                if program(&mut machine, &text, file) {
                    return Ok(0);
                }
            }
            Err(error) => {
                eprintln!("File {file} is unavailable: {}", reason(&error));
                return Ok(1);
            }
        }
    }
    let text = std::io::read_to_string(std::io::stdin())?;
    program(&mut machine, &text, "(standard_in)");
    Ok(0)
}

/// Runs a program; true if it says that all is over. An error ends its line only.
fn program(machine: &mut Machine, text: &str, file: &str) -> bool {
    let mut parser = match Parser::new(text) {
        Ok(parser) => parser,
        Err(error) => {
            eprintln!("{file} 1: {error}");
            return false;
        }
    };
    // GNU bc reads lines, and what has no end is none.
    let is_cut = !text.is_empty() && !text.ends_with('\n');
    loop {
        parser.skip_ends();
        if is_cut && parser.is_in_last_line() {
            if !parser.is_at_end() {
                eprintln!("{file}: syntax error");
            }
            break;
        }
        let statement = match parser.next() {
            Ok(Some(statement)) => statement,
            Ok(None) => break,
            Err(error) => {
                eprintln!("{file}: {error}");
                parser.skip_line();
                continue;
            }
        };
        match machine.statement(&statement) {
            Ok(Flow::Quit) => {
                let _ = std::io::stdout().flush();
                return true;
            }
            Ok(_) => {}
            Err(error) => {
                let _ = std::io::stdout().flush();
                eprintln!("Runtime error: {error}");
                parser.skip_line();
            }
        }
    }
    let _ = std::io::stdout().flush();
    false
}
