//! Reading a makefile: lines into variables and rules.

use std::path::Path;

use super::functions;
use super::rules::{Recipe, Rule, Rules};
use super::vars::{Assign, Origin, Res, Vars, closing};

/// Reads makefiles into variables and rules.
pub(super) struct Reader<'a> {
    pub(super) vars: &'a mut Vars,
    pub(super) rules: &'a mut Rules,
    /// Whether each open conditional is true now, and whether one of its branches was.
    conditions: Vec<(bool, bool)>,
    /// Rules that the recipe lines that follow belong to.
    open: Vec<usize>,
}

/// A line of a makefile with its number.
struct Line {
    number: usize,
    text: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(vars: &'a mut Vars, rules: &'a mut Rules) -> Self {
        Self { vars, rules, conditions: vec![], open: vec![] }
    }

    /// Reads a file; `Ok(false)` if it is not there.
    pub(super) fn file(&mut self, name: &str) -> Res<bool> {
        let text = match name {
            "-" => std::io::read_to_string(std::io::stdin()),
            name => std::fs::read_to_string(name),
        };
        let Ok(text) = text else { return Ok(false) };
        let listed = self.vars.get("MAKEFILE_LIST").map_or(String::new(), |it| it.value.clone());
        self.vars.set("MAKEFILE_LIST", &format!("{listed} {name}"), false, Origin::File);
        self.text(name, &text)?;
        Ok(true)
    }

    fn text(&mut self, file: &str, text: &str) -> Res<()> {
        let mut lines = text.lines().enumerate();
        let outer = std::mem::take(&mut self.conditions);
        while let Some((at, first)) = lines.next() {
            let mut line = Line { number: at + 1, text: first.to_owned() };
            while continues(&line.text) {
                let Some((_, next)) = lines.next() else { break };
                line.text.push('\n');
                line.text.push_str(next);
            }
            if !line.text.starts_with('\t') && self.is_on() && starts_define(&line.text) {
                self.define(&line, &mut lines)?;
                continue;
            }
            self.vars.place = format!("{file}:{}: ", line.number);
            self.line(file, &line).map_err(|error| located(file, line.number, error))?;
            for text in std::mem::take(&mut self.vars.evaluated) {
                self.text(file, &text)?;
            }
        }
        self.conditions = outer;
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.conditions.iter().all(|(is_on, _)| *is_on)
    }

    fn line(&mut self, file: &str, line: &Line) -> Res<()> {
        if line.text.starts_with('\t') && !self.open.is_empty() {
            if self.is_on() {
                self.recipe(file, line.number, &line.text[1..]);
            }
            return Ok(());
        }
        let text = joined(without_comment(&line.text));
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(());
        }
        let (word, rest) = split_word(trimmed);
        if self.conditional(word, rest)? || !self.is_on() {
            return Ok(());
        }
        match word {
            "include" | "-include" | "sinclude" => self.include(rest, word == "include"),
            "export" | "unexport" if !is_assignment_to(word, rest) => self.export(word, rest),
            "override" => {
                let (name, how, value) = assignment(rest).ok_or("invalid override directive")?;
                let name = self.vars.expand(name)?;
                self.vars.assign(name.trim(), how, value, Origin::Override)
            }
            "undefine" => {
                let name = self.vars.expand(rest)?;
                self.vars.unset(name.trim());
                Ok(())
            }
            "vpath" => Ok(()),
            _ => match assignment(trimmed) {
                Some((name, how, value)) => {
                    self.open.clear();
                    let name = self.vars.expand(name)?;
                    self.vars.assign(name.trim(), how, value, Origin::File)
                }
                None => self.rule(file, line, trimmed),
            },
        }
    }

    fn recipe(&mut self, file: &str, number: usize, text: &str) {
        for rule in &self.open {
            let recipe = self.rules.list[*rule].recipe.get_or_insert_with(|| Recipe {
                file: file.to_owned(),
                line: number,
                lines: vec![],
            });
            recipe.lines.push(text.to_owned());
        }
    }

    /// Handles `ifeq` and its like; true if the line was one.
    fn conditional(&mut self, word: &str, rest: &str) -> Res<bool> {
        match word {
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                let is_on = self.is_on() && self.is_met(word, rest)?;
                let is_done = is_on || !self.is_on();
                self.conditions.push((is_on, is_done));
            }
            "else" => {
                let (_, was_met) = self.conditions.pop().ok_or("extraneous 'else'")?;
                let (next, operands) = split_word(rest);
                let is_plain = next.is_empty();
                let is_on =
                    !was_met && self.is_on() && (is_plain || self.is_met(next, operands)?);
                self.conditions.push((is_on, was_met || is_on));
            }
            "endif" => drop(self.conditions.pop().ok_or("extraneous 'endif'")?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn is_met(&mut self, word: &str, rest: &str) -> Res<bool> {
        if matches!(word, "ifdef" | "ifndef") {
            let name = self.vars.expand(rest)?;
            let is_set = self.vars.get(name.trim()).is_some_and(|it| !it.value.is_empty());
            return Ok(is_set == (word == "ifdef"));
        }
        let (left, right) = operands(rest).ok_or("invalid syntax in conditional")?;
        let (left, right) = (self.vars.expand(&left)?, self.vars.expand(&right)?);
        Ok((left == right) == (word == "ifeq"))
    }

    fn include(&mut self, names: &str, must_exist: bool) -> Res<()> {
        let names = self.vars.expand(names)?;
        for pattern in names.split_whitespace() {
            let found = functions::wildcard(pattern);
            let files = if found.is_empty() { vec![pattern.to_owned()] } else { found };
            for file in files {
                self.open.clear();
                if !self.file(&file)? && must_exist {
                    return Err(format!("{file}: No such file or directory"));
                }
            }
        }
        Ok(())
    }

    fn export(&mut self, word: &str, rest: &str) -> Res<()> {
        let is_exported = word == "export";
        if rest.is_empty() {
            self.vars.exports_all = is_exported;
            return Ok(());
        }
        if let Some((name, how, value)) = assignment(rest) {
            let name = self.vars.expand(name)?.trim().to_owned();
            self.vars.exported.insert(name.clone(), true);
            return self.vars.assign(&name, how, value, Origin::File);
        }
        for name in self.vars.expand(rest)?.split_whitespace() {
            self.vars.exported.insert(name.to_owned(), is_exported);
        }
        Ok(())
    }

    /// `define NAME` up to `endef`.
    fn define<'t>(
        &mut self,
        line: &Line,
        lines: &mut impl Iterator<Item = (usize, &'t str)>,
    ) -> Res<()> {
        let head = line.text.trim();
        let head = head.strip_prefix("override").unwrap_or(head).trim();
        let head = head.strip_prefix("define").unwrap_or(head).trim();
        let (name, how) = match assignment(head) {
            Some((name, how, _)) => (name, how),
            None => (head, Assign::Recursive),
        };
        let (mut body, mut depth) = (vec![], 1);
        for (_, text) in lines {
            depth += i32::from(starts_define(text)) - i32::from(text.trim() == "endef");
            if depth == 0 {
                break;
            }
            body.push(text);
        }
        self.open.clear();
        let name = self.vars.expand(name)?;
        self.vars.assign(name.trim(), how, &body.join("\n"), Origin::File)
    }

    /// `targets: prerequisites ; recipe`, and variables of targets.
    fn rule(&mut self, file: &str, line: &Line, text: &str) -> Res<()> {
        let (head, recipe) = match top_level(text, ';') {
            Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
            None => (text, None),
        };
        let Some(colon) = top_level(head, ':') else {
            // References may leave a rule, or nothing.
            let expanded = self.vars.expand(text)?;
            if expanded.trim().is_empty() {
                return Ok(());
            }
            if expanded.contains(':') && expanded != text {
                return self.text(file, &expanded);
            }
            return Err("missing separator".to_owned());
        };
        let targets = self.vars.expand(&head[..colon])?;
        let targets: Vec<String> = targets
            .split_whitespace()
            .flat_map(|it| {
                let found = functions::wildcard(it);
                if found.is_empty() { vec![it.to_owned()] } else { found }
            })
            .collect();
        let rest = head[colon + 1..].strip_prefix(':').unwrap_or(&head[colon + 1..]);
        if let Some((name, how, value)) = target_variable(rest) {
            let value = match recipe {
                Some(recipe) => format!("{value};{recipe}"),
                None => value.to_owned(),
            };
            for target in targets {
                self.rules.variables.push((target, name.to_owned(), how, value.clone()));
            }
            return Ok(());
        }
        let rest = self.vars.expand(rest)?;
        self.open.clear();
        let (pattern, prerequisites) = match rest.split_once(':') {
            Some((pattern, rest)) => (Some(pattern.trim().to_owned()), rest.to_owned()),
            None => (None, rest),
        };
        let (needed, order_only) =
            prerequisites.split_once('|').unwrap_or((prerequisites.as_str(), ""));
        let words = |text: &str| -> Vec<String> {
            text.split_whitespace()
                .flat_map(|it| {
                    let found = if it.contains('%') { vec![] } else { functions::wildcard(it) };
                    if found.is_empty() { vec![it.to_owned()] } else { found }
                })
                .collect()
        };
        let (needed, order_only) = (words(needed), words(order_only));
        self.add(targets, pattern.as_deref(), &needed, &order_only);
        if let Some(recipe) = recipe {
            self.recipe(file, line.number, recipe);
        }
        Ok(())
    }

    fn add(
        &mut self,
        targets: Vec<String>,
        pattern: Option<&str>,
        needed: &[String],
        order_only: &[String],
    ) {
        if targets.iter().any(|it| it.contains('%')) {
            let rule = Rule::new(targets, needed.to_vec(), order_only.to_vec());
            self.open.push(self.rules.add_pattern(rule));
            return;
        }
        for target in targets {
            let stem = pattern.and_then(|it| functions::stem(it, &target)).map(str::to_owned);
            let fill = |list: &[String]| -> Vec<String> {
                let put = |it: &String| match &stem {
                    Some(stem) => it.replacen('%', stem, 1),
                    None => it.clone(),
                };
                list.iter().map(put).collect()
            };
            let rule = Rule::new(vec![target], fill(needed), fill(order_only));
            self.open.push(self.rules.add(rule, stem));
        }
    }
}

fn located(file: &str, line: usize, error: String) -> String {
    let is_located = error.starts_with(&format!("{file}:"));
    if is_located { error } else { format!("{file}:{line}: *** {error}.  Stop.") }
}

/// Whether the next line belongs to this one.
fn continues(text: &str) -> bool {
    text.len() - text.trim_end_matches('\\').len() & 1 == 1
}

/// Lines that go on are one, with a blank in between.
fn joined(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        out.truncate(out.trim_end().len());
        out.push(' ');
        out.push_str(part.trim_start());
    }
    out
}

fn without_comment(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if c == '#' && !is_escaped {
            return &text[..at];
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text
}

fn starts_define(text: &str) -> bool {
    let (word, rest) = split_word(text.trim());
    let (word, rest) = if word == "override" { split_word(rest) } else { (word, rest) };
    word == "define" && !rest.is_empty()
}

fn split_word(text: &str) -> (&str, &str) {
    match text.find(char::is_whitespace) {
        Some(at) => (&text[..at], text[at..].trim_start()),
        None => match text.find('(') {
            Some(at) if text.starts_with("if") || text.starts_with("else") => {
                (&text[..at], &text[at..])
            }
            _ => (text, ""),
        },
    }
}

/// Whether `export = x` is meant.
fn is_assignment_to(word: &str, rest: &str) -> bool {
    assignment(&format!("{word} {rest}")).is_some_and(|(name, ..)| name.trim() == word)
}

/// Where a character stands outside of references.
fn top_level(text: &str, wanted: char) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '$' && text[at + 1..].starts_with(['(', '{']) {
            at += 1 + closing(&text[at + 1..])?;
        } else if c == wanted {
            return Some(at);
        }
        at += text[at..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Splits an assignment; none if the line is none, as a rule with an `=` in its recipe.
fn assignment(text: &str) -> Option<(&str, Assign, &str)> {
    let equals = top_level(text, '=')?;
    let (before, value) = (&text[..equals], text[equals + 1..].trim_start());
    let (name, how) = match before.chars().last() {
        Some(':') => (before.trim_end_matches(':'), Assign::Simple),
        Some('?') => (&before[..equals - 1], Assign::IfAbsent),
        Some('+') => (&before[..equals - 1], Assign::Append),
        Some('!') => (&before[..equals - 1], Assign::Shell),
        _ => (before, Assign::Recursive),
    };
    let is_rule = top_level(name, ':').is_some();
    let is_one_word = !name.trim().is_empty() && top_level(name.trim(), ' ').is_none();
    (!is_rule && is_one_word).then_some((name.trim(), how, value))
}

/// `NAME = value` behind the colon of a rule.
fn target_variable(text: &str) -> Option<(&str, Assign, &str)> {
    let text = text.trim_start();
    let text = text.strip_prefix("export ").or(text.strip_prefix("override ")).unwrap_or(text);
    assignment(text)
}

/// Both sides of `ifeq (a,b)` or `ifeq "a" "b"`.
fn operands(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    if text.starts_with('(') {
        let inside = &text[1..closing(text)?];
        let comma = top_level(inside, ',')?;
        return Some((inside[..comma].trim().to_owned(), inside[comma + 1..].trim().to_owned()));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (left, rest) = text[1..].split_once(quote)?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (right, _) = rest[1..].split_once(quote)?;
    Some((left.to_owned(), right.to_owned()))
}

/// The makefile that is there.
pub(super) fn default_file() -> Option<&'static str> {
    ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|it| Path::new(it).exists())
}
