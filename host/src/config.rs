//! What the environment says, read once and in one place.
//!
//! | variable | meaning |
//! |---|---|
//! | `OPENAI_API_KEY` | key of the model endpoint |
//! | `OPENAI_BASE_URL` | address of the model endpoint, up to and including `/v1` |
//! | `PLAYPEN_MODEL` | model to use where `--model` is not given |
//! | `PLAYPEN_HOME` | folder for guests, images and compiled code, where `--home` is not given |
//! | `PLAYPEN_IMAGE` | folder of the image to use instead of the default one |
//! | `PLAYPEN_LOG` | log filter, such as `debug` or `playpen_runtime=trace` |
//! | `XDG_CACHE_HOME`, `HOME` | where the home is if neither of the above says so |
//! | `PATH` | where `playpen doctor` and the benches look for native programs |
//!
//! No other module reads the environment; a lint sees to that.
#![expect(clippy::disallowed_methods, reason = "this module owns the environment")]

use crate::model::Secret;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The endpoint that is asked where `OPENAI_BASE_URL` does not name another.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

/// Why the settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nothing says where the home is.
    #[error("there is no folder for guests and images: neither `PLAYPEN_HOME` nor `HOME` is set")]
    NoHome,

    /// The model endpoint wants a key, and none is set.
    #[error("no key for the model endpoint: `OPENAI_API_KEY` is not set")]
    NoApiKey,

    /// Neither a flag nor the environment names a model.
    #[error("no model was named")]
    NoModel,
}

impl ConfigError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoHome => "pass `--home DIR`",
            Self::NoApiKey => {
                "set `OPENAI_API_KEY` (any value for an endpoint without keys); \
                 `playpen demo` needs none"
            }
            Self::NoModel => "pass `--model NAME`, or set `PLAYPEN_MODEL`",
        }
    }
}

/// The variables that playpen knows. An empty variable counts as not set.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `OPENAI_API_KEY`.
    pub api_key: Option<Secret>,
    /// `OPENAI_BASE_URL`, or [`DEFAULT_BASE_URL`].
    pub base_url: Option<String>,
    /// `PLAYPEN_MODEL`.
    pub model: Option<String>,
    /// `PLAYPEN_IMAGE`.
    pub image: Option<PathBuf>,
    /// `PLAYPEN_LOG`.
    pub log_filter: Option<String>,
    playpen_home: Option<PathBuf>,
    cache_home: Option<PathBuf>,
    user_home: Option<PathBuf>,
    program_path: Option<OsString>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn read() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        Self {
            api_key: text("OPENAI_API_KEY").map(Secret::new),
            base_url: text("OPENAI_BASE_URL"),
            model: text("PLAYPEN_MODEL"),
            image: path("PLAYPEN_IMAGE"),
            log_filter: text("PLAYPEN_LOG"),
            playpen_home: path("PLAYPEN_HOME"),
            cache_home: path("XDG_CACHE_HOME").filter(|it| it.is_absolute()),
            user_home: path("HOME"),
            program_path: env::var_os("PATH"),
        }
    }

    /// Returns the folder for guests, images and compiled code; `flag` is `--home`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::NoHome`] if nothing says where it is.
    pub fn home(&self, flag: Option<&Path>) -> Result<PathBuf, ConfigError> {
        let named = flag.map(Path::to_owned).or_else(|| self.playpen_home.clone());
        let cache = || {
            let cache = self.cache_home.clone();
            cache.or_else(|| Some(self.user_home.as_ref()?.join(".cache")))
        };
        named.or_else(|| Some(cache()?.join("playpen"))).ok_or(ConfigError::NoHome)
    }

    /// Returns where a native program is, if it is on the `PATH`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let folders = env::split_paths(self.program_path.as_ref()?);
        folders.map(|folder| folder.join(name)).find(|file| is_program(file))
    }

    /// Returns the address of the model endpoint.
    pub fn base_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(DEFAULT_BASE_URL)
    }

    /// Returns the key of the model endpoint.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::NoApiKey`] if none is set.
    pub fn api_key(&self) -> Result<&Secret, ConfigError> {
        self.api_key.as_ref().ok_or(ConfigError::NoApiKey)
    }

    /// Returns the model to use; `flag` is `--model`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError::NoModel`] if nothing names one.
    pub fn model(&self, flag: Option<&str>) -> Result<String, ConfigError> {
        flag.map(str::to_owned).or_else(|| self.model.clone()).ok_or(ConfigError::NoModel)
    }
}

fn is_program(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::{Environment, Secret};
    use std::path::{Path, PathBuf};

    fn environment() -> Environment {
        Environment {
            playpen_home: Some(PathBuf::from("/p")),
            cache_home: Some(PathBuf::from("/c")),
            user_home: Some(PathBuf::from("/h")),
            ..Environment::default()
        }
    }

    #[test]
    fn home_is_the_flag_then_the_variable_then_the_cache_folder() {
        let mut env = environment();
        assert_eq!(env.home(Some(Path::new("/flag"))).unwrap(), Path::new("/flag"));
        assert_eq!(env.home(None).unwrap(), Path::new("/p"));
        env.playpen_home = None;
        assert_eq!(env.home(None).unwrap(), Path::new("/c/playpen"));
        env.cache_home = None;
        assert_eq!(env.home(None).unwrap(), Path::new("/h/.cache/playpen"));
        env.user_home = None;
        assert!(env.home(None).is_err());
    }

    #[test]
    fn a_key_is_never_shown() {
        let env =
            Environment { api_key: Some(Secret::new("sk-very-secret")), ..Environment::default() };
        assert!(!format!("{env:?}").contains("secret"));
    }
}
