//! A command's arguments, and the repository it is in.

use std::path::{Path, PathBuf};

use git2::{Commit, Error, ErrorCode, Object, Repository, Signature, Time, Tree};

/// The words after the command's name.
pub(crate) struct Args {
    words: Vec<String>,
}

impl Args {
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self { words }
    }

    /// Whether one of `names` is among the options.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.before_paths().iter().any(|word| names.contains(&word.as_str()))
    }

    /// The value of `-x VALUE`, `-xVALUE`, `--long VALUE` or `--long=VALUE`.
    pub(crate) fn value(&self, names: &[&str]) -> Option<&str> {
        let words = self.before_paths();
        words.iter().enumerate().find_map(|(i, word)| {
            names.iter().find_map(|name| match word.strip_prefix(name)? {
                "" => words.get(i + 1).map(String::as_str),
                rest if name.starts_with("--") => rest.strip_prefix('='),
                rest => Some(rest),
            })
        })
    }

    /// Words that are no options; `valued` are the options whose value is the next word.
    pub(crate) fn operands(&self, valued: &[&str]) -> Vec<&str> {
        let mut operands = vec![];
        let mut words = self.words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--" {
                operands.extend(words.by_ref());
            } else if valued.contains(&word) {
                words.next();
            } else if !word.starts_with('-') || word == "-" {
                operands.push(word);
            }
        }
        operands
    }

    /// The words before `--`, and those after it if it is there.
    pub(crate) fn split(&self) -> (Vec<&str>, Option<Vec<&str>>) {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.iter().position(|word| *word == "--") {
            Some(at) => (words[..at].to_vec(), Some(words[at + 1..].to_vec())),
            None => (words, None),
        }
    }

    /// All words.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    fn before_paths(&self) -> &[String] {
        let end = self.words.iter().position(|word| word == "--").unwrap_or(self.words.len());
        &self.words[..end]
    }
}

/// A repository with a working tree, and where in it the command runs.
pub(crate) struct Place {
    pub(crate) repo: Repository,
    pub(crate) root: PathBuf,
    here: PathBuf,
}

impl Place {
    /// The repository around the working directory; `settings` are those of `-c`.
    pub(crate) fn discover(settings: &[String]) -> Result<Self, Error> {
        let repo = Repository::discover(".").map_err(|e| match e.code() {
            ErrorCode::NotFound => {
                Error::from_str("not a git repository (or any of the parent directories): .git")
            }
            _ => e,
        })?;
        let root = repo
            .workdir()
            .ok_or_else(|| Error::from_str("this operation must be run in a work tree"))?;
        let root = root.to_owned();
        // libgit2 has no level of settings for one command: what is set already wins over -c.
        let mut config = repo.config()?;
        for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
            if config.get_entry(name).is_err() {
                config.set_str(name, value)?;
            }
        }
        Ok(Self { repo, root, here: std::env::current_dir().unwrap_or_default() })
    }

    /// A path as the index has it: relative to the root, empty for the root itself.
    pub(crate) fn relative(&self, path: &str) -> String {
        let mut parts: Vec<std::ffi::OsString> = vec![];
        for part in self.here.join(path).components() {
            match part {
                std::path::Component::ParentDir => drop(parts.pop()),
                std::path::Component::Normal(name) => parts.push(name.to_owned()),
                _ => {}
            }
        }
        let full: PathBuf = Path::new("/").join(parts.iter().collect::<PathBuf>());
        full.strip_prefix(&self.root)
            .map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
    }

    /// Path specifications for libgit2: `*` for the root.
    pub(crate) fn specs(&self, paths: &[&str]) -> Vec<String> {
        let spec = |path: &&str| self.relative(path);
        paths.iter().map(spec).map(|p| if p.is_empty() { "*".to_owned() } else { p }).collect()
    }

    /// The last commit, if there is one.
    pub(crate) fn head(&self) -> Option<Commit<'_>> {
        self.repo.head().ok()?.peel_to_commit().ok()
    }

    pub(crate) fn head_tree(&self) -> Option<Tree<'_>> {
        self.head()?.tree().ok()
    }

    /// The name of the branch that is checked out.
    pub(crate) fn branch(&self) -> Option<String> {
        if self.repo.head_detached().unwrap_or(false) {
            return None;
        }
        match self.repo.head() {
            Ok(head) => head.shorthand().ok().map(str::to_owned),
            // No commit yet: HEAD names a branch that does not exist.
            Err(_) => {
                let head = self.repo.find_reference("HEAD").ok()?;
                let target = head.symbolic_target().ok().flatten()?.to_owned();
                Some(target.trim_start_matches("refs/heads/").to_owned())
            }
        }
    }

    /// The object that a revision names.
    pub(crate) fn resolve(&self, revision: &str) -> Result<Object<'_>, Error> {
        self.repo.revparse_single(revision).map_err(|_| {
            Error::from_str(&format!(
                "ambiguous argument '{revision}': unknown revision or path not in the working tree."
            ))
        })
    }

    /// Who commits and when: the environment, the configuration, else a name of the sandbox and now.
    pub(crate) fn who(&self, role: &str) -> Result<Signature<'static>, Error> {
        let variable = |what: &str| std::env::var(format!("GIT_{role}_{what}")).ok();
        let configured = self.repo.signature().ok();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = variable("NAME")
            .or_else(|| configured.as_ref().map(|who| text(who.name_bytes())))
            .unwrap_or_else(|| "playpen".to_owned());
        let email = variable("EMAIL")
            .or_else(|| configured.as_ref().map(|who| text(who.email_bytes())))
            .unwrap_or_else(|| "playpen@localhost".to_owned());
        match variable("DATE").as_deref().and_then(raw_date) {
            Some(time) => Signature::new(&name, &email, &time),
            None => Signature::now(&name, &email),
        }
    }
}

/// Reads git's internal date format, `SECONDS +HHMM`, with or without an `@` before it.
fn raw_date(text: &str) -> Option<Time> {
    let (seconds, zone) = text.trim().trim_start_matches('@').split_once(' ')?;
    let zone: i32 = zone.parse().ok()?;
    Some(Time::new(seconds.parse().ok()?, zone / 100 * 60 + zone % 100))
}

/// The first seven digits.
pub(crate) fn short(id: git2::Oid) -> String {
    id.to_string()[..7].to_owned()
}
