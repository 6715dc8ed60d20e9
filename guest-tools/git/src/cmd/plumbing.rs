//! Small commands for scripts: objects, references, attributes.

use git2::{ObjectType, Oid};

use super::listing::{self, Item};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::fail::{Outcome, fatal, plain};
use crate::ignore::Ignore;
use crate::out::{self, out, outln};
use crate::place::{Globals, Place};
use crate::quote;
use crate::refs;
use crate::rev;
use crate::stage::{FOLDER, Stage};
use crate::sys;
use crate::tree;
use crate::work::Work;

pub(crate) fn cat_file(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('p', "p"),
        flag('t', "t"),
        flag('s', "s"),
        flag('e', "e"),
        maybe(' ', "batch"),
        maybe(' ', "batch-check"),
        flag(' ', "textconv"),
        flag(' ', "filters"),
        flag(' ', "allow-unknown-type"),
    ];
    let words = args::parse("git cat-file (-e | -p | -t | -s | <type>) <object>", table, words)?;
    if words.given.iter().any(|g| g.name.starts_with("batch")) {
        return batch(place, words.given.iter().any(|g| g.name == "batch"));
    }
    let (kind, name) = match words.operands.as_slice() {
        [name] => (None, name),
        [kind, name] => (Some(kind.as_str()), name),
        _ => return Err(plain(129, "usage: git cat-file (-e | -p | -t | -s | <type>) <object>")),
    };
    let Some(object) = rev::single(place, name) else {
        if words.has("e") && name.len() == 40 {
            return Ok(1);
        }
        return Err(match rev::unknown(place, name).text {
            text if text.contains(':') && name.contains(':') => plain(128, text),
            _ => fatal(format!("Not a valid object name {name}")),
        });
    };
    let (size, found) = place.repo.odb()?.read_header(object.id())?;
    if words.has("e") {
        return Ok(0);
    }
    if words.has("t") {
        outln!("{}", found.str());
    } else if words.has("s") {
        outln!("{size}");
    } else if words.has("p") && found == ObjectType::Tree {
        for entry in &object.peel_to_tree()? {
            tree_line(place, &entry_item(&entry), entry.name_bytes(), &Words::default());
        }
    } else {
        let wanted = kind.and_then(ObjectType::from_str);
        let id = match wanted {
            Some(kind) => {
                object.peel(kind).map_err(|_| fatal(format!("git cat-file {name}: bad file")))?.id()
            }
            None => object.id(),
        };
        out::bytes(&place.read(id)?);
    }
    Ok(0)
}

fn batch(place: &Place, contents: bool) -> Outcome {
    for line in std::io::read_to_string(std::io::stdin())?.lines() {
        match rev::single(place, line) {
            None => outln!("{line} missing"),
            Some(object) => {
                let odb = place.repo.odb()?;
                let data = odb.read(object.id())?;
                outln!("{} {} {}", object.id(), data.kind().str(), data.len());
                if contents {
                    out::bytes(data.data());
                    outln!("");
                }
            }
        }
    }
    Ok(0)
}

fn entry_item(entry: &git2::TreeEntry<'_>) -> tree::Item {
    tree::Item {
        path: entry.name_bytes().to_vec(),
        mode: entry.filemode_raw() as u32,
        id: entry.id(),
    }
}

pub(crate) fn ls_tree(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('d', "d"),
        flag('r', "r"),
        flag('t', "t"),
        flag('z', "z"),
        flag('l', "long"),
        flag(' ', "name-only"),
        flag(' ', "name-status"),
        flag(' ', "object-only"),
        flag(' ', "full-name"),
        flag(' ', "full-tree"),
        maybe(' ', "abbrev"),
        value(' ', "format"),
    ];
    let words = args::parse("git ls-tree [<options>] <tree-ish> [<path>...]", table, words)?;
    let [name, paths @ ..] = words.operands.as_slice() else {
        return Err(plain(129, "usage: git ls-tree [<options>] <tree-ish> [<path>...]"));
    };
    let object =
        rev::single(place, name).ok_or_else(|| fatal(format!("Not a valid object name {name}")))?;
    let root = object.peel_to_tree().map_err(|_| fatal("not a tree object"))?;
    let prefix = if words.has("full-tree") { vec![] } else { place.prefix.clone() };
    let wanted: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| [prefix.as_slice(), path.trim_start_matches("./").as_bytes()].concat())
        .collect();
    let lister = Lister { place, words: &words, prefix, wanted };
    lister.folder(&root, &mut vec![])?;
    Ok(0)
}

struct Lister<'a> {
    place: &'a Place,
    words: &'a Words,
    prefix: Vec<u8>,
    wanted: Vec<Vec<u8>>,
}

impl Lister<'_> {
    fn folder(&self, tree: &git2::Tree<'_>, at: &mut Vec<u8>) -> Outcome<()> {
        for entry in tree {
            let len = at.len();
            at.extend_from_slice(entry.name_bytes());
            let is_tree = entry.kind() == Some(ObjectType::Tree);
            if self.fits(at) {
                let descends = is_tree && (self.words.has("r") || self.is_above(at));
                let shown =
                    if self.words.has("d") { is_tree } else { !descends || self.words.has("t") };
                let shown = shown && !(descends && self.words.has("d") && !self.words.has("r"));
                if shown {
                    self.line(&entry_item(&entry), at);
                }
                if descends {
                    at.push(b'/');
                    self.folder(&self.place.repo.find_tree(entry.id())?, at)?;
                }
            }
            at.truncate(len);
        }
        Ok(())
    }

    fn fits(&self, path: &[u8]) -> bool {
        if self.wanted.is_empty() {
            return path.starts_with(&self.prefix)
                || self.prefix.starts_with(&[path, b"/"].concat());
        }
        self.wanted.iter().any(|wanted| {
            let bare = wanted.strip_suffix(b"/").unwrap_or(wanted);
            path == bare
                || path.starts_with(&[bare, b"/"].concat())
                || bare.starts_with(&[path, b"/"].concat())
                || bare.is_empty()
        })
    }

    /// Whether what is wanted lies below a folder.
    fn is_above(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let prefix = self.wanted.is_empty() && self.prefix.starts_with(&below);
        prefix || self.wanted.iter().any(|wanted| wanted.starts_with(&below))
    }

    fn line(&self, item: &tree::Item, path: &[u8]) {
        let full = self.words.has("full-name") || self.words.has("full-tree");
        let shown = if full { path.to_vec() } else { self.place.seen(path) };
        tree_line(self.place, item, &shown, self.words);
    }
}

fn tree_line(place: &Place, item: &tree::Item, path: &[u8], words: &Words) {
    let (kind, size) = match item.mode {
        FOLDER => ("tree", None),
        crate::stage::MODULE => ("commit", None),
        _ => ("blob", place.repo.odb().and_then(|odb| odb.read_header(item.id)).ok().map(|h| h.0)),
    };
    let id = match words.given.iter().find(|g| g.name == "abbrev") {
        Some(given) => {
            place.short_of(item.id, given.text().parse().unwrap_or_else(|_| place.digits()))
        }
        None => item.id.to_string(),
    };
    let name = if words.has("z") { path.to_vec() } else { quote::path(path, place.quotes_high()) };
    if words.has("object-only") {
        out!("{id}");
    } else if words.has("name-only") || words.has("name-status") {
        out::bytes(&name);
    } else {
        out!("{:06o} {kind} {id}", item.mode);
        if words.has("long") {
            out!(" {:>7}", size.map_or("-".to_owned(), |n| n.to_string()));
        }
        out::bytes(&[b"\t", name.as_slice()].concat());
    }
    out::bytes(if words.has("z") { b"\0" } else { b"\n" });
}

pub(crate) fn hash_object(globals: &Globals, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        value('t', "t"),
        flag('w', "w"),
        flag(' ', "stdin"),
        flag(' ', "stdin-paths"),
        flag(' ', "no-filters"),
        flag(' ', "literally"),
        value(' ', "path"),
    ];
    let words =
        args::parse("git hash-object [-t <type>] [-w] [--stdin] [--] <file>...", table, words)?;
    let place = Place::find(globals)?;
    let kind = words
        .value("t")
        .map_or(Some(ObjectType::Blob), ObjectType::from_str)
        .ok_or_else(|| fatal("invalid object type"))?;
    let hash = |content: &[u8]| -> Outcome<Oid> {
        match &place {
            Some(place) if words.has("w") => Ok(place.repo.odb()?.write(kind, content)?),
            _ => Ok(Oid::hash_object(kind, content)?),
        }
    };
    let mut files = words.operands.clone();
    if words.has("stdin") {
        let mut content = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut content)?;
        outln!("{}", hash(&content)?);
    }
    if words.has("stdin-paths") {
        files.extend(std::io::read_to_string(std::io::stdin())?.lines().map(str::to_owned));
    }
    for file in &files {
        let content = std::fs::read(file).map_err(|e| {
            fatal(format!("could not open '{file}' for reading: {}", crate::fail::io_text(&e)))
        })?;
        let content = match &place {
            Some(place) if place.tree_root.is_some() && !words.has("no-filters") => {
                let path = place.relative(file).unwrap_or_default();
                Work::new(place).attributes.stored(place, &path, content)
            }
            _ => content,
        };
        outln!("{}", hash(&content)?);
    }
    Ok(0)
}

pub(crate) fn merge_base(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('a', "all"),
        flag(' ', "octopus"),
        flag(' ', "independent"),
        flag(' ', "is-ancestor"),
        flag(' ', "fork-point"),
    ];
    let words = args::parse("git merge-base [-a | --all] <commit> <commit>...", table, words)?;
    let commit = |name: &String| {
        let found = rev::single(place, name).and_then(|object| object.peel_to_commit().ok());
        found.map(|c| c.id()).ok_or_else(|| fatal(format!("Not a valid object name {name}")))
    };
    let ids = words.operands.iter().map(commit).collect::<Outcome<Vec<Oid>>>()?;
    if words.has("is-ancestor") {
        let [old, new] = ids.as_slice() else {
            return Err(fatal("--is-ancestor takes exactly two commits"));
        };
        return Ok(i32::from(!crate::merge::command::is_ancestor(place, *old, *new)));
    }
    if ids.len() < 2 && !words.has("fork-point") {
        return Err(plain(129, "usage: git merge-base [-a | --all] <commit> <commit>..."));
    }
    let found: Vec<Oid> = if words.has("octopus") {
        place.repo.merge_base_octopus(&ids).into_iter().collect()
    } else {
        place.repo.merge_bases_many(&ids).map(|list| list.to_vec()).unwrap_or_default()
    };
    if found.is_empty() {
        return Ok(1);
    }
    for id in found.iter().take(if words.has("all") { usize::MAX } else { 1 }) {
        outln!("{id}");
    }
    Ok(0)
}

pub(crate) fn show_ref(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag(' ', "head"),
        flag(' ', "heads"),
        flag(' ', "branches"),
        flag(' ', "tags"),
        flag('d', "dereference"),
        maybe('s', "hash"),
        flag(' ', "verify"),
        flag('q', "quiet"),
        maybe(' ', "abbrev"),
        flag(' ', "exists"),
    ];
    let words = args::parse(
        "git show-ref [--head] [-d] [-s] [--heads] [--tags] [--verify] [<pattern>...]",
        table,
        words,
    )?;
    let id_text = |id: Oid| match words
        .given
        .iter()
        .find(|g| g.name == "hash" || g.name == "abbrev")
        .map(|g| g.text().parse())
    {
        Some(Ok(n)) => place.short_of(id, n),
        _ => id.to_string(),
    };
    let line = |name: &str, id: Oid| {
        if !words.has("quiet") {
            if words.has("hash") {
                outln!("{}", id_text(id))
            } else {
                outln!("{} {name}", id_text(id))
            }
        }
    };
    if words.has("verify") || words.has("exists") {
        for name in &words.operands {
            match place.repo.refname_to_id(name) {
                Ok(id) if words.has("verify") => line(name, id),
                Ok(_) => {}
                Err(_) if words.has("quiet") => return Ok(1),
                Err(_) if words.has("exists") => {
                    return Err(plain(2, "error: reference does not exist"));
                }
                Err(_) => return Err(fatal(format!("'{name}' - not a valid ref"))),
            }
        }
        return Ok(0);
    }
    let mut found = false;
    let kinds = words.has("heads") || words.has("branches") || words.has("tags");
    let head =
        words.has("head").then(|| place.head_id().map(|id| ("HEAD".to_owned(), id))).flatten();
    for (name, id) in head.into_iter().chain(refs::all(place)?) {
        let heads =
            (words.has("heads") || words.has("branches")) && name.starts_with("refs/heads/");
        let tags = words.has("tags") && name.starts_with("refs/tags/");
        let fits = |pattern: &String| name == *pattern || name.ends_with(&format!("/{pattern}"));
        if (kinds && !heads && !tags && name != "HEAD")
            || !(words.operands.is_empty() || words.operands.iter().any(fits))
        {
            continue;
        }
        found = true;
        line(&name, id);
        if words.has("dereference")
            && let Ok(tag) = place.repo.find_tag(id)
        {
            line(&format!("{name}^{{}}"), tag.as_object().peel(ObjectType::Any)?.id());
        }
    }
    Ok(i32::from(!found))
}

pub(crate) fn for_each_ref(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        value(' ', "count"),
        value(' ', "sort"),
        value(' ', "format"),
        maybe(' ', "points-at"),
        maybe(' ', "merged"),
        maybe(' ', "no-merged"),
        maybe(' ', "contains"),
        maybe(' ', "no-contains"),
        flag(' ', "ignore-case"),
    ];
    let mut words = args::parse(
        "git for-each-ref [--count=<n>] [--sort=<key>] [--format=<format>] [<pattern>...]",
        table,
        &listing::join_optional(words),
    )?;
    let patterns = std::mem::take(&mut words.operands);
    let rules = crate::wildmatch::Rules { path: true, fold: false };
    let fits = |name: &str| {
        patterns.is_empty()
            || patterns.iter().any(|p| {
                let p = p.trim_end_matches('/');
                name == p
                    || name.starts_with(&format!("{p}/"))
                    || crate::wildmatch::fits(p.as_bytes(), name.as_bytes(), rules)
            })
    };
    let items = refs::all(place)?
        .into_iter()
        .filter(|(name, _)| fits(name))
        .map(|(name, id)| Item { name, id })
        .collect();
    let items = listing::filtered(place, &words, items)?;
    let format = words.value("format").unwrap_or("%(objectname) %(objecttype)\t%(refname)");
    let most = words.value("count").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    for item in items.iter().take(most) {
        outln!("{}", listing::expand(place, format, item)?);
    }
    Ok(0)
}

pub(crate) fn symbolic_ref(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('q', "quiet"),
        flag('d', "delete"),
        flag(' ', "short"),
        flag(' ', "recurse"),
        value('m', "m"),
    ];
    let words = args::parse("git symbolic-ref [-q] [--short] <name> [<ref>]", table, words)?;
    match words.operands.as_slice() {
        [name] => {
            let found = place.repo.find_reference(name).ok();
            let target = found.and_then(|r| r.symbolic_target().ok().flatten().map(str::to_owned));
            match target {
                Some(target) => outln!(
                    "{}",
                    if words.has("short") { refs::shortened(&target) } else { &target }
                ),
                None if words.has("quiet") => return Ok(1),
                None => return Err(fatal(format!("ref {name} is not a symbolic ref"))),
            }
        }
        [name, target] => {
            if name == "HEAD" && !target.starts_with("refs/") {
                return Err(fatal("Refusing to point HEAD outside of refs/"));
            }
            place.repo.reference_symbolic(
                name,
                target,
                true,
                words.value("m").unwrap_or_default(),
            )?;
        }
        _ => return Err(plain(129, "usage: git symbolic-ref [-q] [--short] <name> [<ref>]")),
    }
    Ok(0)
}

pub(crate) fn update_ref(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('d', "d"),
        flag(' ', "deref"),
        value('m', "m"),
        flag(' ', "create-reflog"),
        flag(' ', "stdin"),
    ];
    let words =
        args::parse("git update-ref [-m <reason>] (-d <ref> | <ref> <new> [<old>])", table, words)?;
    match words.operands.as_slice() {
        [name, ..] if words.has("d") => place.repo.find_reference(name)?.delete()?,
        [name, new, ..] => {
            let id =
                place.resolve(new).map_err(|_| fatal(format!("{new}: not a valid SHA1")))?.id();
            let message = words.value("m").unwrap_or_default();
            if name == "HEAD" {
                refs::move_head(place, id, message)?;
            } else {
                place.repo.reference(name, id, true, message)?;
            }
        }
        _ => {
            return Err(plain(
                129,
                "usage: git update-ref [-m <reason>] (-d <ref> | <ref> <new> [<old>])",
            ));
        }
    }
    Ok(0)
}

pub(crate) fn check_ignore(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('q', "quiet"),
        flag('v', "verbose"),
        flag(' ', "stdin"),
        flag('z', "z"),
        flag('n', "non-matching"),
        flag(' ', "no-index"),
    ];
    let mut words = args::parse("git check-ignore [<options>] <pathname>...", table, words)?;
    if words.has("stdin") {
        words.operands = super::add::read_paths("-", words.has("z"))?;
    } else if words.operands.is_empty() {
        return Err(fatal("no path specified"));
    }
    let mut ignore = Ignore::new(place);
    let stage = Stage::open(place)?;
    let mut code = 1;
    for word in &words.operands {
        let path = place.relative(word)?;
        let folder = word.ends_with('/')
            || sys::find(&place.file(&path)).is_some_and(|m| m.kind == sys::Kind::Folder);
        let known = stage.get(&path).is_some() && !words.has("no-index");
        let pattern = if known { None } else { ignore.deciding(&path, folder) };
        let hit = pattern.as_ref().is_some_and(|p| !p.negated || words.has("verbose"));
        if hit {
            code = 0;
        }
        match pattern.filter(|_| hit) {
            Some(p) if words.has("verbose") => {
                outln!("{}:{}:{}\t{word}", p.source, p.number, p.line)
            }
            Some(_) if !words.has("quiet") => outln!("{word}"),
            None if words.has("verbose") && words.has("non-matching") => outln!("::\t{word}"),
            _ => {}
        }
    }
    Ok(code)
}

pub(crate) fn check_attr(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] =
        &[flag('a', "all"), flag(' ', "cached"), flag(' ', "stdin"), flag('z', "z")];
    let words = args::parse("git check-attr [-a | <attr>...] [--] <pathname>...", table, words)?;
    let (names, paths) = match words.dashes {
        Some(_) => words.split(),
        None => words.operands.split_at(1.min(words.operands.len())),
    };
    let attributes = crate::attr::Attributes::new(place);
    for path in paths {
        let relative = place.relative(path)?;
        for name in names {
            let value = attributes.value(place, &relative, name);
            let shown = match value.as_deref() {
                None => "unspecified",
                Some("true") => "set",
                Some("false") => "unset",
                Some(other) => other,
            };
            outln!("{path}: {name}: {shown}");
        }
    }
    Ok(0)
}

pub(crate) fn write_tree(place: &Place, _words: &[String]) -> Outcome {
    let mut stage = Stage::open(place)?;
    outln!("{}", stage.write_tree(place)?);
    Ok(0)
}

pub(crate) fn count_objects(place: &Place, _words: &[String]) -> Outcome {
    let (mut n, mut bytes) = (0, 0);
    for folder in std::fs::read_dir(place.meta("objects"))?.flatten() {
        if folder.file_name().len() == 2 {
            for object in std::fs::read_dir(folder.path())?.flatten() {
                n += 1;
                bytes += object.metadata().map_or(0, |meta| meta.len());
            }
        }
    }
    outln!("{n} objects, {} kilobytes", bytes.div_ceil(1024));
    Ok(0)
}
