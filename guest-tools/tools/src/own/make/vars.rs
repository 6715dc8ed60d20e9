//! Variables and the expansion of references to them.

use std::collections::BTreeMap;

use super::functions;

/// Where a variable comes from; a later one outdoes an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Default,
    Environment,
    File,
    CommandLine,
    Override,
    Automatic,
}

/// A variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) value: String,
    /// Whether references in the value are followed when it is used.
    pub(super) is_recursive: bool,
    pub(super) origin: Origin,
}

/// How a line assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assign {
    Recursive,
    Simple,
    IfAbsent,
    Append,
    Shell,
}

/// All variables: scopes, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Vars {
    scopes: Vec<BTreeMap<String, Variable>>,
    /// Names that recipes see, and whether all are.
    pub(super) exported: BTreeMap<String, bool>,
    pub(super) exports_all: bool,
    /// The line of a makefile that is read now, as messages name it.
    pub(super) place: String,
    /// What `$(eval)` is yet to read.
    pub(super) evaluated: Vec<String>,
}

/// An error text.
pub(super) type Res<T> = Result<T, String>;

impl Vars {
    pub(super) fn new() -> Self {
        Self { scopes: vec![BTreeMap::new()], ..Self::default() }
    }

    pub(super) fn push(&mut self) {
        self.scopes.push(BTreeMap::new());
    }

    pub(super) fn pop(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    /// Sets a variable in the innermost scope, unless one that outdoes it is there.
    pub(super) fn set(&mut self, name: &str, value: &str, is_recursive: bool, origin: Origin) {
        if self.get(name).is_some_and(|it| it.origin > origin && it.origin != Origin::Automatic) {
            return;
        }
        let variable = Variable { value: value.to_owned(), is_recursive, origin };
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), variable);
        }
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.scopes.iter_mut().for_each(|scope| drop(scope.remove(name)));
    }

    /// Sets what a rule sets for its recipe.
    pub(super) fn automatic(&mut self, name: &str, value: &str) {
        self.set(name, value, false, Origin::Automatic);
    }

    /// Carries out an assignment.
    pub(super) fn assign(
        &mut self,
        name: &str,
        how: Assign,
        value: &str,
        origin: Origin,
    ) -> Res<()> {
        match how {
            Assign::Recursive => self.set(name, value, true, origin),
            Assign::Simple => {
                let value = self.expand(value)?;
                self.set(name, &value, false, origin);
            }
            Assign::IfAbsent => {
                if self.get(name).is_none() {
                    self.set(name, value, true, origin);
                }
            }
            Assign::Shell => {
                let command = self.expand(value)?;
                let value = functions::shell(self, &command)?;
                self.set(name, &value, true, origin);
            }
            Assign::Append => {
                let Some(old) = self.get(name).cloned() else {
                    self.set(name, value, true, origin);
                    return Ok(());
                };
                let added = if old.is_recursive { value.to_owned() } else { self.expand(value)? };
                let joined = match (old.value.as_str(), added.as_str()) {
                    ("", added) => added.to_owned(),
                    (old, "") => old.to_owned(),
                    (old, added) => format!("{old} {added}"),
                };
                self.set(name, &joined, old.is_recursive, origin);
            }
        }
        Ok(())
    }

    /// The value of a variable, expanded; nothing if it is not set.
    pub(super) fn value(&mut self, name: &str) -> Res<String> {
        let Some(variable) = self.get(name).cloned() else { return Ok(String::new()) };
        if !variable.is_recursive {
            return Ok(variable.value);
        }
        if mentions(&variable.value, name) {
            return Err(format!("Recursive variable '{name}' references itself (eventually)"));
        }
        self.expand(&variable.value)
    }

    /// Follows all references in a text.
    pub(super) fn expand(&mut self, text: &str) -> Res<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let Some(first) = rest.chars().next() else {
                out.push('$');
                break;
            };
            match first {
                '$' => {
                    out.push('$');
                    rest = &rest[1..];
                }
                '(' | '{' => {
                    let end = closing(rest).ok_or("unterminated variable reference")?;
                    let inside = &rest[1..end];
                    rest = &rest[end + 1..];
                    out.push_str(&self.reference(inside)?);
                }
                _ => {
                    let name = &rest[..first.len_utf8()];
                    rest = &rest[first.len_utf8()..];
                    out.push_str(&self.value(name)?);
                }
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// What stands in `$(...)`.
    fn reference(&mut self, inside: &str) -> Res<String> {
        if let Some((name, args)) = functions::split_call(inside) {
            return functions::call(self, name, args);
        }
        if let Some((name, from, to)) = substitution(inside) {
            let (name, from, to) = (self.expand(name)?, self.expand(from)?, self.expand(to)?);
            let value = self.value(&name)?;
            let (from, to) = if from.contains('%') {
                (from, to)
            } else {
                (format!("%{from}"), format!("%{to}"))
            };
            return Ok(functions::patsubst(&from, &to, &value));
        }
        let name = self.expand(inside)?;
        self.value(name.trim())
    }

    /// Names and values that a recipe's shell gets.
    pub(super) fn environment(&mut self) -> Res<Vec<(String, String)>> {
        let mut names: Vec<(String, Origin)> = vec![];
        for scope in &self.scopes {
            names.extend(scope.iter().map(|(name, variable)| (name.clone(), variable.origin)));
        }
        let mut out = vec![];
        for (name, origin) in names {
            let is_default = matches!(origin, Origin::Environment | Origin::CommandLine)
                || (self.exports_all && matches!(origin, Origin::File | Origin::Override));
            let is_exported = self.exported.get(&name).copied().unwrap_or(is_default);
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if is_exported && is_name && name != "SHELL" {
                let value = self.value(&name)?;
                out.push((name, value));
            }
        }
        Ok(out)
    }
}

/// Whether a value refers directly to the variable that it is of.
fn mentions(value: &str, name: &str) -> bool {
    value.contains(&format!("$({name})")) || value.contains(&format!("${{{name}}}"))
}

/// Where the bracket that `text` starts with is closed.
pub(super) fn closing(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Splits `name:from=to`.
fn substitution(inside: &str) -> Option<(&str, &str, &str)> {
    let mut depth = 0;
    let colon = inside.char_indices().find(|(_, c)| {
        depth += i32::from(matches!(c, '(' | '{')) - i32::from(matches!(c, ')' | '}'));
        depth == 0 && *c == ':'
    })?;
    let (name, rest) = (&inside[..colon.0], &inside[colon.0 + 1..]);
    let (from, to) = rest.split_once('=')?;
    Some((name, from, to))
}
