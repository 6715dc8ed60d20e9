//! `awk [-F SEP] [-v NAME=VALUE] [-f FILE | PROGRAM] [FILE]...`, over awk-rs.

use std::fs;
use std::io::{self, BufRead, BufReader};

use awk_rs::{Token, TokenKind};

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (mut fs, mut vars, mut program, mut files) = (" ".to_owned(), vec![], None, vec![]);
    let mut it = a.iter();
    while let Some(&x) = it.next() {
        let mut value = |rest: &str| {
            if rest.is_empty() {
                it.next().map(|s| s.to_string()).ok_or("option requires an argument")
            } else {
                Ok(rest.to_owned())
            }
        };
        if let Some(r) = x.strip_prefix("-F") {
            fs = match value(r)?.as_str() {
                "\\t" | "t" => "\t".into(),
                s => s.to_owned(),
            };
        } else if let Some(r) = x.strip_prefix("-v") {
            let v = value(r)?;
            let (k, v) = v.split_once('=').ok_or("-v needs name=value")?;
            vars.push((k.to_owned(), v.replace("\\t", "\t").replace("\\n", "\n")));
        } else if let Some(r) = x.strip_prefix("-f") {
            program = Some(fs::read_to_string(value(r)?)?);
        } else if x == "--" {
            files.extend(it.by_ref().map(|s| s.to_string()));
        } else if program.is_none() {
            program = Some(x.to_owned());
        } else {
            files.push(x.to_owned());
        }
    }
    let program = program.ok_or("no program")?;
    let tokens = with_length_calls(awk_rs::Lexer::new(&program).tokenize()?);
    let program = awk_rs::Parser::new(tokens).parse()?;
    let mut i = awk_rs::Interpreter::new(&program);
    i.set_fs(&fs);
    i.set_args(std::iter::once("awk".to_owned()).chain(files.iter().cloned()).collect());
    for (k, v) in &vars {
        i.set_variable(k, v);
    }
    let mut inputs: Vec<Box<dyn BufRead>> = vec![];
    if files.is_empty() {
        files.push("-".into());
    }
    for f in &files {
        inputs.push(if f == "-" {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(fs::File::open(f)?))
        });
    }
    i.set_filenames(files.into_iter().map(|f| if f == "-" { String::new() } else { f }).collect());
    Ok(i.run(inputs, &mut io::stdout().lock())?)
}

/// Writes `length` without parentheses, which awk-rs takes for a variable before an operator, as the call it is.
fn with_length_calls(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_length = matches!(&token.kind, TokenKind::Identifier(name) if name == "length");
        let is_call = tokens.peek().is_some_and(|next| next.kind == TokenKind::LeftParen);
        let location = token.location;
        out.push(token);
        if is_length && !is_call {
            out.push(Token { kind: TokenKind::LeftParen, location });
            out.push(Token { kind: TokenKind::RightParen, location });
        }
    }
    out
}
