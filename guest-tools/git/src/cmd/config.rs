//! `git config`.

use git2::{Config, ConfigLevel};

use crate::args::{self, Opt, Words, flag, value};
use crate::fail::{Outcome, error, fatal, plain, refuse};
use crate::ignore::expand;
use crate::out::{self, outln};
use crate::place::{Globals, Place, truth};
use crate::regexp::{Regexp, Syntax};

const USAGE: &str =
    "git config list [<file-option>] | get <name> | set <name> <value> | unset <name>";
const TABLE: &[Opt] = &[
    flag(' ', "global"),
    flag(' ', "system"),
    flag(' ', "local"),
    flag(' ', "worktree"),
    value('f', "file"),
    value(' ', "blob"),
    flag(' ', "get"),
    flag(' ', "get-all"),
    flag(' ', "get-regexp"),
    flag(' ', "replace-all"),
    flag(' ', "add"),
    flag(' ', "unset"),
    flag(' ', "unset-all"),
    flag(' ', "rename-section"),
    flag(' ', "remove-section"),
    flag('l', "list"),
    flag('e', "edit"),
    value('t', "type"),
    flag(' ', "bool"),
    flag(' ', "int"),
    flag(' ', "bool-or-int"),
    flag(' ', "path"),
    flag('z', "null"),
    flag(' ', "name-only"),
    flag(' ', "show-origin"),
    flag(' ', "show-scope"),
    flag(' ', "includes"),
    value(' ', "default"),
    flag(' ', "all"),
    flag(' ', "regexp"),
    flag(' ', "append"),
    value(' ', "value"),
    flag(' ', "fixed-value"),
];

pub(crate) fn run(globals: &Globals, words: &[String]) -> Outcome {
    let mut words = args::parse(USAGE, TABLE, words)?;
    if words.has("edit") {
        return Err(refuse("`git config --edit`"));
    }
    let place = Place::find(globals)?;
    let action = action(&mut words);
    let mut store = Store::open(globals, place.as_ref(), &words)?;
    match action {
        "list" => store.list(&words),
        "get" | "get-all" => store.get(&words, action == "get-all" || words.has("all")),
        "get-regexp" => store.get_regexp(&words),
        "unset" | "unset-all" => store.unset(&words, action == "unset-all" || words.has("all")),
        "remove-section" | "rename-section" => store.section(&words, action == "remove-section"),
        _ => store.set(&words),
    }
}

/// What is to be done: an option, a word of the new style, or what the number of words says.
fn action(words: &mut Words) -> &'static str {
    let old = [
        "list",
        "get",
        "get-all",
        "get-regexp",
        "unset",
        "unset-all",
        "remove-section",
        "rename-section",
    ];
    if let Some(found) = old.into_iter().find(|name| words.has(name)) {
        return found;
    }
    let new = words
        .operands
        .first()
        .and_then(|first| ["list", "get", "set", "unset"].into_iter().find(|name| name == first));
    if let Some(found) = new {
        words.operands.remove(0);
        return if found == "get" && words.has("regexp") { "get-regexp" } else { found };
    }
    if words.operands.len() == 1 { "get" } else { "set" }
}

struct Store<'a> {
    globals: &'a Globals,
    config: Config,
    /// Where settings are written.
    target: Option<Config>,
    limited: bool,
    file: Option<std::path::PathBuf>,
}

fn global_file() -> String {
    let xdg = expand("~/.config/git/config");
    let home = expand("~/.gitconfig");
    if !std::path::Path::new(&home).exists() && std::path::Path::new(&xdg).exists() {
        xdg
    } else {
        home
    }
}

impl<'a> Store<'a> {
    fn open(globals: &'a Globals, place: Option<&Place>, words: &Words) -> Outcome<Self> {
        let file = if let Some(file) = words.value("file") {
            Some(file.to_owned())
        } else if words.has("global") {
            Some(global_file())
        } else if words.has("system") {
            Some("/etc/gitconfig".to_owned())
        } else if words.has("local") || words.has("worktree") {
            let place =
                place.ok_or_else(|| fatal("--local can only be used inside a git repository"))?;
            Some(place.repo.commondir().join("config").display().to_string())
        } else {
            None
        };
        if let Some(file) = file {
            let path = std::path::Path::new(&file);
            let reads = ["list", "get", "get-all", "get-regexp"].iter().any(|name| words.has(name));
            if reads && words.has("list") && !path.exists() && words.has("file") {
                return Err(fatal(format!(
                    "unable to read config file '{file}': No such file or directory"
                )));
            }
            let config = Config::open(path)?;
            let target = Some(Config::open(path)?);
            return Ok(Self {
                globals,
                config,
                target,
                limited: true,
                file: Some(path.to_owned()),
            });
        }
        match place {
            Some(place) => {
                let path = place.repo.commondir().join("config");
                let target = Some(Config::open(&path)?);
                Ok(Self {
                    globals,
                    config: place.repo.config()?,
                    target,
                    limited: false,
                    file: Some(path),
                })
            }
            None => Ok(Self {
                globals,
                config: Config::open_default()?,
                target: None,
                limited: false,
                file: None,
            }),
        }
    }

    /// Names with values, in the order of the files.
    fn entries(&self) -> Outcome<Vec<(String, Option<String>, ConfigLevel)>> {
        let mut found = vec![];
        self.config.entries(None)?.for_each(|entry| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = entry.has_value().then(|| text(entry.value_bytes()));
            found.push((text(entry.name_bytes()), value, entry.level()));
        })?;
        if !self.limited {
            for (name, value) in &self.globals.settings {
                found.push((canonical(name), Some(value.clone()), ConfigLevel::App));
            }
        }
        Ok(found)
    }

    fn list(&self, words: &Words) -> Outcome {
        for (name, value, level) in self.entries()? {
            let scope = match level {
                ConfigLevel::System | ConfigLevel::ProgramData => "system",
                ConfigLevel::Global | ConfigLevel::XDG => "global",
                ConfigLevel::App if !self.limited => "command",
                _ => "local",
            };
            let scope = if words.has("show-scope") { format!("{scope}\t") } else { String::new() };
            let origin = if words.has("show-origin") {
                format!("{}\t", origin(level))
            } else {
                String::new()
            };
            let end = if words.has("null") { "\0" } else { "\n" };
            let middle = if words.has("null") { "\n" } else { "=" };
            let value = value
                .filter(|_| !words.has("name-only"))
                .map_or(String::new(), |v| format!("{middle}{v}"));
            out::bytes(format!("{scope}{origin}{name}{value}{end}").as_bytes());
        }
        Ok(0)
    }

    fn get(&self, words: &Words, all: bool) -> Outcome {
        let name = words.operands.first().ok_or_else(|| {
            plain(
                129,
                format!("error: wrong number of arguments, should be from 1 to 2\nusage: {USAGE}"),
            )
        })?;
        check_name(name, 1)?;
        let wanted = canonical(name);
        let pattern = words
            .operands
            .get(1)
            .map(|p| Regexp::new(p, Syntax::Extended, false, false))
            .transpose()?;
        let mut values: Vec<Option<String>> = self
            .entries()?
            .into_iter()
            .filter(|(name, ..)| *name == wanted)
            .map(|(_, value, _)| value)
            .collect();
        if let Some(pattern) = pattern {
            values.retain(|value| pattern.matches(value.as_deref().unwrap_or_default().as_bytes()));
        }
        if values.is_empty() {
            return match words.value("default") {
                Some(text) => {
                    outln!("{}", typed(words, Some(text))?);
                    Ok(0)
                }
                None => Ok(1),
            };
        }
        let start = if all { 0 } else { values.len() - 1 };
        for value in &values[start..] {
            out::bytes(
                format!(
                    "{}{}",
                    typed(words, value.as_deref())?,
                    if words.has("null") { "\0" } else { "\n" }
                )
                .as_bytes(),
            );
        }
        Ok(0)
    }

    fn get_regexp(&self, words: &Words) -> Outcome {
        let pattern =
            words.operands.first().ok_or_else(|| plain(129, "error: wrong number of arguments"))?;
        let regexp = Regexp::new(pattern, Syntax::Extended, true, false)?;
        let mut found = false;
        for (name, value, _) in self.entries()? {
            if regexp.matches(name.as_bytes()) {
                found = true;
                let value = value
                    .filter(|_| !words.has("name-only"))
                    .map_or(String::new(), |v| format!(" {v}"));
                outln!("{name}{value}");
            }
        }
        Ok(i32::from(!found))
    }

    fn target(&mut self) -> Outcome<&mut Config> {
        self.target.as_mut().ok_or_else(|| fatal("not in a git directory"))
    }

    fn set(&mut self, words: &Words) -> Outcome {
        let [name, value, ..] = words.operands.as_slice() else {
            return Err(plain(
                129,
                format!("error: wrong number of arguments, should be 2\nusage: {USAGE}"),
            ));
        };
        check_name(name, 1)?;
        let value = match words
            .value("type")
            .or_else(|| ["bool", "int", "path"].into_iter().find(|n| words.has(n)))
        {
            Some("bool") => truth(value)
                .map(|b| b.to_string())
                .ok_or_else(|| fatal(format!("bad boolean config value '{value}' for '{name}'")))?,
            _ => value.clone(),
        };
        let name = canonical(name);
        let target = self.target()?;
        if words.has("add") || words.has("append") {
            // A pattern that nothing fits adds a line.
            target.set_multivar(&name, "^$a", &value)?;
        } else if words.has("replace-all") || words.has("all") {
            target.set_multivar(&name, ".*", &value)?;
        } else {
            let mut n = 0;
            target.multivar(&name, None).and_then(|list| list.for_each(|_| n += 1)).ok();
            if n > 1 {
                return Err(plain(
                    5,
                    format!(
                        "warning: {name} has multiple values\nerror: cannot overwrite multiple values with a single value\n       Use a regexp, --add or --replace-all to change {name}."
                    ),
                ));
            }
            target.set_str(&name, &value)?;
        }
        Ok(0)
    }

    fn unset(&mut self, words: &Words, all: bool) -> Outcome {
        let name = words
            .operands
            .first()
            .ok_or_else(|| plain(129, "error: wrong number of arguments, should be 1"))?;
        check_name(name, 1)?;
        let name = canonical(name);
        let target = self.target()?;
        let mut n = 0;
        target.multivar(&name, None).and_then(|list| list.for_each(|_| n += 1)).ok();
        match n {
            0 => return Ok(5),
            1 => target.remove(&name)?,
            _ if all => target.remove_multivar(&name, ".*")?,
            _ => return Err(plain(5, format!("warning: {name} has multiple values"))),
        }
        if let Some(file) = self.file.clone() {
            drop_empty_sections(&file)?;
        }
        Ok(0)
    }

    fn section(&mut self, words: &Words, remove: bool) -> Outcome {
        if !remove {
            return Err(refuse("`git config --rename-section`"));
        }
        let section = words.operands.first().cloned().unwrap_or_default();
        let start = format!("{}.", section.to_ascii_lowercase());
        let names: Vec<String> = self
            .entries()?
            .into_iter()
            .map(|e| e.0)
            .filter(|name| name.starts_with(&start))
            .collect();
        if names.is_empty() {
            return Err(fatal(format!("no such section: {section}")));
        }
        let target = self.target()?;
        names.iter().try_for_each(|name| target.remove_multivar(name, ".*"))?;
        Ok(0)
    }
}

/// Removes the heads of sections in which nothing is left.
fn drop_empty_sections(file: &std::path::Path) -> Outcome<()> {
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut kept = String::new();
    for (n, line) in lines.iter().enumerate() {
        let next = lines[n + 1..].iter().find(|line| !line.trim().is_empty());
        let is_head =
            |line: &str| line.trim_start().starts_with('[') && line.trim_end().ends_with(']');
        if !(is_head(line) && next.is_none_or(|next| is_head(next))) {
            kept.push_str(line);
        }
    }
    if kept != text {
        std::fs::write(file, kept)?;
    }
    Ok(())
}

fn origin(level: ConfigLevel) -> String {
    match level {
        ConfigLevel::System | ConfigLevel::ProgramData => "file:/etc/gitconfig".to_owned(),
        ConfigLevel::Global | ConfigLevel::XDG => format!("file:{}", global_file()),
        ConfigLevel::App => "command line:".to_owned(),
        _ => "file:.git/config".to_owned(),
    }
}

/// Section and last part do not count capitals.
fn canonical(name: &str) -> String {
    let Some((section, rest)) = name.split_once('.') else { return name.to_ascii_lowercase() };
    match rest.rsplit_once('.') {
        Some((middle, last)) => {
            format!("{}.{middle}.{}", section.to_ascii_lowercase(), last.to_ascii_lowercase())
        }
        None => format!("{}.{}", section.to_ascii_lowercase(), rest.to_ascii_lowercase()),
    }
}

fn check_name(name: &str, code: i32) -> Outcome<()> {
    let Some((section, key)) = name.rsplit_once('.') else {
        return Err(plain(code, format!("error: key does not contain a section: {name}")));
    };
    let valid = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if section.is_empty() || !valid {
        return Err(error(format!("invalid key: {name}")));
    }
    Ok(())
}

/// A value as the wanted type has it.
fn typed(words: &Words, value: Option<&str>) -> Outcome<String> {
    let kind = words.value("type").or_else(|| {
        ["bool", "int", "path", "bool-or-int"].into_iter().find(|name| words.has(name))
    });
    let text = value.unwrap_or_default();
    Ok(match kind {
        Some("bool") => match value {
            None => "true".to_owned(),
            Some(text) => truth(text)
                .ok_or_else(|| {
                    fatal(format!(
                        "bad boolean config value '{text}' for '{}'",
                        words.operands.first().map_or("", String::as_str)
                    ))
                })?
                .to_string(),
        },
        Some("int") => Config::parse_i64(text)
            .map_err(|_| fatal(format!("bad numeric config value '{text}'")))?
            .to_string(),
        Some("path") => expand(text),
        _ => text.to_owned(),
    })
}
