//! Why a prompt could not be made.

use super::template_file;
use minijinja::{Error, ErrorKind};
use std::{error::Error as _, io, path::PathBuf};
use thiserror::Error;

/// Why a template could not be loaded or filled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A folder or file of templates cannot be read.
    #[error("failed to read templates from `{}`", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder of templates has none.
    #[error("folder `{}` has no file that ends in `.md.j2`", dir.display())]
    NoTemplates {
        /// The folder.
        dir: PathBuf,
    },
    /// There is no template of this name.
    #[error("there is no template `{}`", template_file(name).display())]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// A template is not well formed.
    #[error("template `{}` has a syntax error in line {line}: {detail}", template_file(name).display())]
    Syntax {
        /// The template.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// A template uses a variable that was not given.
    #[error("template `{}` uses `{variable}` in line {line}, which is not defined", template_file(name).display())]
    Undefined {
        /// The template, which may be one that the template asked for includes.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The variable, as the template writes it.
        variable: String,
    },
    /// A template does something that cannot be done.
    #[error("failed to fill template `{}` in line {line}: {detail}", template_file(name).display())]
    Fill {
        /// The template.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What was tried.
        detail: String,
    },
}

impl PromptError {
    /// Returns what the user may do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { .. } | Self::NoTemplates { .. } => Some(
                "give a folder laid out like `prompts/` of the repository; it may hold some of the templates only",
            ),
            Self::Undefined { .. } => {
                Some("`prompts/README.md` lists the variables of each template")
            }
            Self::Unknown { .. } | Self::Syntax { .. } | Self::Fill { .. } => None,
        }
    }

    pub(super) fn new(asked: &str, error: &Error) -> PromptError {
        let error = innermost(error);
        let name = error.name().unwrap_or(asked).to_owned();
        let line = error.line().unwrap_or(1);
        let detail = || error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        match error.kind() {
            ErrorKind::TemplateNotFound => PromptError::Unknown { name: missing(asked, error) },
            ErrorKind::SyntaxError => PromptError::Syntax { name, line, detail: detail() },
            ErrorKind::UndefinedError => {
                PromptError::Undefined { name, line, variable: variable(error) }
            }
            _ => PromptError::Fill { name, line, detail: detail() },
        }
    }
}

/// Follows an error in an included template to where it happened.
fn innermost(error: &Error) -> &Error {
    let mut inner = error;
    while let Some(source) = inner.source().and_then(|source| source.downcast_ref::<Error>()) {
        inner = source;
    }
    inner
}

/// Returns the template that is not there: the one asked for, or one that it includes, which stands in
/// quotes in the detail of the error.
fn missing(asked: &str, error: &Error) -> String {
    let quoted = error.detail().and_then(|detail| detail.split(['"', '\'']).nth(1));
    quoted.unwrap_or(asked).to_owned()
}

/// Returns the expression that was not defined, cut out of the template.
fn variable(error: &Error) -> String {
    let expression =
        error.template_source().zip(error.range()).and_then(|(source, range)| source.get(range));
    expression.unwrap_or("a variable").trim().to_owned()
}
