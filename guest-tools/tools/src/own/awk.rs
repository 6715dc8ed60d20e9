//! `awk`: options here; [`lex`], [`parse`], [`run`] and [`value`] are the language.
//!
//! Ours, because the published interpreters that compile for WASI do not read `/a/ && b`, `(i, j) in a`
//! or `print | "sort"`.

mod bytes;
mod lex;
mod parse;
mod run;
mod text;
mod tree;
mod value;

use super::reason;
use run::Machine;

const HELP: &str = "Usage: awk [-F fs] [-v var=value] [--] 'program' [file ...]
       awk [-F fs] [-v var=value] -f progfile [--] [file ...]
";

/// The exit status of `awk` with these arguments, its name first.
pub(crate) fn main(args: &[String]) -> i32 {
    run(args.get(1..).unwrap_or_default()).unwrap_or_else(|message| {
        eprintln!("awk: {message}");
        2
    })
}

fn run(args: &[String]) -> Result<i32, String> {
    let (mut separator, mut variables, mut program) = (None, vec![], None::<String>);
    let mut words = args.iter().peekable();
    while let Some(word) = words.peek().map(|word| word.as_str()) {
        if !word.starts_with('-') || word == "-" {
            break;
        }
        words.next();
        let mut value = |attached: &str| match attached {
            "" => words.next().cloned().ok_or(format!("option {word} requires an argument")),
            attached => Ok(attached.to_owned()),
        };
        match word {
            "--" => break,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(0);
            }
            "--version" | "-V" => {
                println!("awk (playpen) 1.0");
                return Ok(0);
            }
            _ if word.starts_with("-F") => separator = Some(value(&word[2..])?),
            _ if word.starts_with("-v") => variables.push(value(&word[2..])?),
            _ if word.starts_with("--assign=") => variables.push(word[9..].to_owned()),
            _ if word.starts_with("--field-separator=") => separator = Some(word[18..].to_owned()),
            _ if word.starts_with("-f") => {
                let file = value(&word[2..])?;
                let text = read_program(&file)?;
                program = Some(program.map_or(text.clone(), |before| before + "\n" + &text));
            }
            _ => return Err(format!("unknown option {word}\n{}", HELP.trim_end())),
        }
    }
    let program = match program.or_else(|| words.next().cloned()) {
        Some(program) => program,
        None => return Err(format!("no program\n{}", HELP.trim_end())),
    };
    let inward = |text: &str| bytes::inward(text.as_bytes().to_vec());
    let tree = parse::parse(&inward(&program))?;
    let mut machine = Machine::new(tree, words.map(|it| inward(it)).collect());
    if let Some(separator) = separator {
        let separator = if separator == "t" { "\t".into() } else { separator };
        machine.assign("FS", &inward(&separator));
    }
    for variable in variables {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| format!("`{variable}' is not of the form variable=value"))?;
        machine.assign(name, &inward(value));
    }
    Ok(machine.run())
}

fn read_program(file: &str) -> Result<String, String> {
    let text = match file {
        "-" | "/dev/stdin" => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    text.map_err(|e| format!("cannot open {file} ({})", reason(&e)))
}
