//! What is said to the model: templates, and nothing else.
//!
//! The templates lie in `prompts/` at the root of the repository, one folder per stage, and are built
//! into the program. A folder given by the user takes the place of those it has under the same name.
//! `prompts/README.md` lists each template with its variables.
//!
//! # Invariants
//!
//! * **A variable that is not given is an error**, with template, line and name; a prompt with a hole in
//!   it would be paid for and then quietly spoil a run.
//! * **Rendering reads nothing**: all templates are loaded and checked when [`Prompts`] is made.

mod error;

#[cfg(test)]
mod tests;

pub use error::PromptError;

use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the name of a template's file ends with.
const SUFFIX: &str = ".md.j2";
/// The longest template that is loaded. The longest of ours has 6 KB.
const MAX_TEMPLATE_BYTES: u64 = 1 << 20;
/// The most files that a folder of templates may have, so that a wrong folder is not read to its end.
const MAX_TEMPLATES: usize = 1_000;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../prompts");

/// The templates of all prompts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prompts {
    templates: Arc<Environment<'static>>,
}

impl Prompts {
    /// Returns the templates that are built in.
    ///
    /// # Panics
    ///
    /// Panics if one of them has a syntax error, which a test excludes.
    pub fn embedded() -> Prompts {
        Prompts::new(embedded()).expect("a test loads every template that is built in")
    }

    /// Returns the templates of `dir`, and the ones built in where it has none of that name.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be read, has no template at all, or has one with a syntax
    /// error.
    pub fn from_dir(dir: &Path) -> Result<Prompts, PromptError> {
        let own = read_dir(dir)?;
        if own.is_empty() {
            return Err(PromptError::NoTemplates { dir: dir.to_owned() });
        }
        let mut templates = embedded();
        templates.extend(own);
        Prompts::new(templates)
    }

    /// Fills a template, for example `propose/projects.system`.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such template, or if it uses a variable that `variables` lacks.
    ///
    /// # Examples
    ///
    /// ```
    /// use playpen::prompt::Prompts;
    ///
    /// let text = Prompts::embedded().render("shared/sandbox", &())?;
    /// assert!(text.contains("There is no network"));
    /// # Ok::<(), playpen::prompt::PromptError>(())
    /// ```
    pub fn render(&self, name: &str, variables: &impl Serialize) -> Result<String, PromptError> {
        let template =
            self.templates.get_template(name).map_err(|error| PromptError::new(name, &error))?;
        let text =
            template.render(Serde(variables)).map_err(|error| PromptError::new(name, &error))?;
        Ok(text.trim().to_owned())
    }

    /// Returns the names of all templates, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.templates.templates().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        names
    }

    fn new(templates: BTreeMap<String, String>) -> Result<Prompts, PromptError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_syntax(syntax());
        environment.set_debug(true);
        for (name, source) in templates {
            environment
                .add_template_owned(name.clone(), source)
                .map_err(|error| PromptError::new(&name, &error))?;
        }
        Ok(Prompts { templates: Arc::new(environment) })
    }
}

/// Returns the syntax of templates: Jinja's, in which a line with nothing but a tag leaves no trace, and
/// an included template keeps the end of its last line.
fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the delimiters are the default ones")
}

/// Returns the sources of the templates that are built in, by name.
fn embedded() -> BTreeMap<String, String> {
    let mut templates = BTreeMap::new();
    let mut dirs = vec![&EMBEDDED];
    while let Some(dir) = dirs.pop() {
        dirs.extend(dir.dirs());
        for file in dir.files() {
            if let (Some(name), Some(source)) = (template_name(file.path()), file.contents_utf8()) {
                templates.insert(name, source.to_owned());
            }
        }
    }
    templates
}

/// Reads the templates below a folder of the user, by name.
fn read_dir(dir: &Path) -> Result<BTreeMap<String, String>, PromptError> {
    let mut templates = BTreeMap::new();
    for entry in
        walkdir::WalkDir::new(dir).max_depth(4).sort_by_file_name().into_iter().take(MAX_TEMPLATES)
    {
        let entry = entry.map_err(|error| PromptError::Read {
            path: error.path().unwrap_or(dir).to_owned(),
            source: error.into(),
        })?;
        let path = entry.path();
        let Some(name) = path.strip_prefix(dir).ok().and_then(template_name) else { continue };
        let read = |path: &Path| {
            if entry.metadata()?.len() > MAX_TEMPLATE_BYTES {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            fs_err::read_to_string(path)
        };
        let source =
            read(path).map_err(|source| PromptError::Read { path: path.to_owned(), source })?;
        templates.insert(name, source);
    }
    Ok(templates)
}

/// Turns the path of a template below its folder into its name.
fn template_name(path: &Path) -> Option<String> {
    let parts: Vec<&str> =
        path.components().map(|part| part.as_os_str().to_str()).collect::<Option<_>>()?;
    parts.join("/").strip_suffix(SUFFIX).map(str::to_owned)
}

/// Returns the file of a template below its folder, for messages.
fn template_file(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}{SUFFIX}"))
}
