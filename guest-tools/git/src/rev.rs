//! Revisions: names of objects, ranges of commits, and where paths begin on a command line.

use git2::{Object, ObjectType, Oid};

use crate::fail::{Outcome, ambiguous, fatal};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::sys;

/// The object of a name.
pub(crate) fn single<'a>(place: &'a Place, name: &str) -> Option<Object<'a>> {
    if name.is_empty() || name == "-" {
        return None;
    }
    if let Some((base, text)) = name.split_once("^{/") {
        return text_search(place, Some(base), text.strip_suffix('}')?);
    }
    if let Some(text) = name.strip_prefix(":/") {
        return text_search(place, None, text);
    }
    let full = absolute(place, name);
    if let Some((revision, path)) = full.split_once(':')
        && !revision.is_empty()
    {
        return in_tree(place, revision, path);
    }
    if let Some(path) = full.strip_prefix(':') {
        return staged(place, path);
    }
    place.repo.revparse_single(&full).ok()
}

/// `@` for HEAD, and paths after a colon from the root.
fn absolute(place: &Place, name: &str) -> String {
    let name = match name.strip_prefix('@') {
        Some(rest) if rest.is_empty() || rest.starts_with(['~', '^', ':']) => format!("HEAD{rest}"),
        _ => name.to_owned(),
    };
    match name.split_once(':') {
        Some((revision, path))
            if path.starts_with("./") || path.starts_with("../") || path == "." =>
        {
            match place.relative(path) {
                Ok(path) => format!("{revision}:{}", String::from_utf8_lossy(&path)),
                Err(_) => name,
            }
        }
        _ => name,
    }
}

fn in_tree<'a>(place: &'a Place, revision: &str, path: &str) -> Option<Object<'a>> {
    let tree = single(place, revision)?.peel_to_tree().ok()?;
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Some(tree.into_object());
    }
    let item = crate::tree::lookup(&tree, path.as_bytes())?;
    place.repo.find_object(item.id, None).ok()
}

/// `:path` and `:2:path`.
fn staged<'a>(place: &'a Place, name: &str) -> Option<Object<'a>> {
    let (stage, path) = match name.as_bytes() {
        [n @ b'0'..=b'3', b':', ..] => (i32::from(n - b'0'), &name[2..]),
        _ => (0, name),
    };
    let index = crate::stage::Stage::open(place).ok()?;
    let entry = index.index.get_path(std::path::Path::new(path), stage)?;
    place.repo.find_object(entry.id, None).ok()
}

/// The youngest commit whose message has a text, from a commit or from any branch.
fn text_search<'a>(place: &'a Place, base: Option<&str>, text: &str) -> Option<Object<'a>> {
    let mut walk = place.repo.revwalk().ok()?;
    walk.set_sorting(git2::Sort::TIME).ok()?;
    match base {
        Some(base) => walk.push(single(place, base)?.peel_to_commit().ok()?.id()).ok()?,
        None => {
            walk.push_glob("*").ok()?;
            // Without a commit there is nothing to push.
            drop(walk.push_head());
        }
    }
    let regexp =
        crate::regexp::Regexp::new(text, crate::regexp::Syntax::Extended, false, false).ok()?;
    walk.flatten().find_map(|id| {
        let commit = place.repo.find_commit(id).ok()?;
        regexp.matches(commit.message_bytes()).then(|| commit.into_object())
    })
}

/// One end of a walk, or an object by itself.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) id: Oid,
    pub(crate) excluded: bool,
    /// As it was typed.
    pub(crate) name: String,
    /// On the left of `a...b`.
    pub(crate) left: bool,
}

/// The revisions and paths of a command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) tips: Vec<Tip>,
    /// It was `a...b`.
    pub(crate) symmetric: bool,
    /// It was `a..b`.
    pub(crate) range: bool,
    pub(crate) paths: Pathspec,
    /// The words of the paths.
    pub(crate) path_words: Vec<String>,
}

/// Tells revisions from paths; `dashes` is where `--` was.
pub(crate) fn request(place: &Place, words: &[String], dashes: Option<usize>) -> Outcome<Request> {
    let mut request = Request::default();
    let certain = dashes.unwrap_or(words.len());
    let mut n_revisions = 0;
    for word in &words[..certain] {
        let known = add(place, word, &mut request)?;
        if !known && dashes.is_some() {
            return Err(fatal(format!("bad revision '{word}'")));
        }
        if !known {
            break;
        }
        if dashes.is_none() && is_file(place, word) && !word.contains("..") {
            return Err(fatal(format!(
                "ambiguous argument '{word}': both revision and filename\n\
                 Use '--' to separate paths from revisions, like this:\n\
                 'git <command> [<revision>...] -- [<file>...]'"
            )));
        }
        n_revisions += 1;
    }
    let paths = &words[n_revisions..];
    if dashes.is_none() {
        for (n, word) in paths.iter().enumerate() {
            if !is_file(place, word) && !looks_like_pathspec(word) {
                return Err(if n == 0 || single(place, word).is_none() {
                    wrong(place, word)
                } else {
                    late(word)
                });
            }
        }
    }
    request.paths = Pathspec::new(place, paths)?;
    request.path_words = paths.to_vec();
    Ok(request)
}

fn late(word: &str) -> crate::fail::Fail {
    fatal(format!(
        "{word}: no such path in the working tree.\n\
         Use 'git <command> -- <path>...' to specify paths that do not exist locally."
    ))
}

/// What is wrong with a word that is neither.
fn wrong(place: &Place, word: &str) -> crate::fail::Fail {
    if let Some((revision, path)) = word.split_once(':')
        && let Some(object) = single(place, revision)
        && object.peel_to_tree().is_ok()
    {
        let on_disk = is_file(place, path);
        return fatal(if on_disk {
            format!("path '{path}' exists on disk, but not in '{revision}'")
        } else {
            format!("path '{path}' does not exist in '{revision}'")
        });
    }
    ambiguous(word)
}

/// The failure of an argument that must be a revision.
pub(crate) fn unknown(place: &Place, word: &str) -> crate::fail::Fail {
    wrong(place, word)
}

/// Whether there is a file of that name.
pub(crate) fn is_file(place: &Place, word: &str) -> bool {
    if let Some(rest) = word.strip_prefix(":/") {
        return rest.is_empty() || sys::find(&place.file(rest.as_bytes())).is_some();
    }
    sys::find(std::path::Path::new(word)).is_some()
}

fn looks_like_pathspec(word: &str) -> bool {
    let magic = word.starts_with(":(") || word.starts_with(":!") || word.starts_with(":^");
    magic || crate::wildmatch::is_pattern(word.as_bytes())
}

/// Takes a word as a revision or range; `false` if it is neither.
pub(crate) fn add(place: &Place, word: &str, request: &mut Request) -> Outcome<bool> {
    let tip = |id: Oid, excluded: bool, name: &str| Tip {
        id,
        excluded,
        name: name.to_owned(),
        left: false,
    };
    if let Some((a, b)) = word.split_once("...")
        && let (Some(a), Some(b)) = (end(place, a), end(place, b))
    {
        request.symmetric = true;
        let mut bases: Vec<Oid> =
            place.repo.merge_bases(a, b).map(|list| list.to_vec()).unwrap_or_default();
        request.tips.push(Tip { left: true, ..tip(a, false, word) });
        request.tips.push(tip(b, false, word));
        bases.drain(..).for_each(|base| request.tips.push(tip(base, true, word)));
        return Ok(true);
    }
    if let Some((a, b)) = word.split_once("..")
        && word != ".."
        && let (Some(a), Some(b)) = (end(place, a), end(place, b))
    {
        request.range = true;
        request.tips.push(tip(a, true, word));
        request.tips.push(tip(b, false, word));
        return Ok(true);
    }
    for (suffix, with_self, excluded) in [("^@", false, false), ("^!", true, true)] {
        if let Some(base) = word.strip_suffix(suffix)
            && let Some(object) = single(place, base)
        {
            let commit = object.peel_to_commit()?;
            if with_self {
                request.tips.push(tip(commit.id(), false, base));
            }
            commit.parent_ids().for_each(|id| request.tips.push(tip(id, excluded, word)));
            return Ok(true);
        }
    }
    let (name, excluded) = match word.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    match single(place, name) {
        Some(object) => {
            request.tips.push(tip(object.id(), excluded, name));
            Ok(true)
        }
        None => Ok(false),
    }
}

fn end(place: &Place, name: &str) -> Option<Oid> {
    let object = single(place, if name.is_empty() { "HEAD" } else { name })?;
    match object.peel(ObjectType::Commit) {
        Ok(commit) => Some(commit.id()),
        Err(_) => object.peel_to_tree().ok().map(|tree| tree.id()),
    }
}
