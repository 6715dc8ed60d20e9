//! The list of packages.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::path::Path;
use toml::{Table, Value};

/// One package whose suite is run.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// What a report calls it.
    pub name: String,
    /// What pip is asked for, such as `tinydb==4.9.0`.
    pub requirement: String,
    /// The hash of the source distribution; without it, what pip gets is taken.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Paths in the source distribution; without any, pytest finds them.
    #[serde(default)]
    pub tests: Vec<String>,
    /// What the tests need besides, as pip requirements.
    #[serde(default)]
    pub extras: Vec<String>,
    /// More arguments for pytest.
    #[serde(default)]
    pub args: Vec<String>,
    /// Seconds that it may take on each side, if more than others.
    #[serde(default)]
    pub timeout: Option<u64>,
}

/// Reads a list.
///
/// # Errors
///
/// Fails if the file is not a list of packages.
pub fn read(file: &Path) -> anyhow::Result<Vec<Package>> {
    let text = fs_err::read_to_string(file)?;
    parse(&text).with_context(|| format!("failed to read packages from `{}`", file.display()))
}

/// Every array of tables is one of packages, whatever it is called.
fn parse(text: &str) -> anyhow::Result<Vec<Package>> {
    let table: Table = toml::from_str(text)?;
    let entries = table.into_iter().filter_map(|(_, value)| match value {
        Value::Array(entries) => Some(entries),
        _ => None,
    });
    let packages = entries.flatten().map(Value::try_into::<Package>);
    let packages = packages.collect::<Result<Vec<_>, _>>()?;
    if packages.is_empty() {
        bail!("there is no `[[package]]` with `name`, `requirement`, `tests` and `extras`");
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_name_and_requirement_must_be_there() {
        let list = parse("[[package]]\nname = 'a'\nrequirement = 'a==1'\n").unwrap();
        assert_eq!((list[0].name.as_str(), list[0].tests.len()), ("a", 0));
        assert!(parse("[[package]]\nname = 'a'\n").is_err());
        assert!(parse("").is_err());
    }
}
