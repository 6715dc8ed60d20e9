//! `git diff`.

use git2::{ObjectType, Oid, Tree};

use crate::args::{Opt, Parser, Unknown, Words, flag};
use crate::diff::combined::{self, Combined};
use crate::diff::options::Renames;
use crate::diff::parse::{Reader, TABLE};
use crate::diff::{Diff, Formats, Options, Pair, Side, collect};
use crate::fail::{Outcome, error, fatal, io_text, plain};
use crate::out;
use crate::place::{Globals, Place};
use crate::rev::{self, Request};
use crate::stage::{self, Stage};
use crate::sys::{self, Kind};
use crate::tree::Item;
use crate::work::Work;

const USAGE: &str = "git diff [<options>] [<commit>] [--] [<path>...]\n   \
or: git diff [<options>] --cached [--merge-base] [<commit>] [--] [<path>...]\n   \
or: git diff [<options>] [--merge-base] <commit> [<commit>...] <commit> [--] [<path>...]\n   \
or: git diff [<options>] <commit>...<commit> [--] [<path>...]\n   \
or: git diff [<options>] <blob> <blob>\n   \
or: git diff [<options>] --no-index [--] <path> <path>";
const OWN: &[Opt] = &[
    flag(' ', "cached"),
    flag(' ', "staged"),
    flag(' ', "merge-base"),
    flag(' ', "no-index"),
    flag(' ', "cc"),
    flag('c', "c"),
    flag('0', "unmerged"),
    flag('1', "base"),
    flag('2', "ours"),
    flag('3', "theirs"),
    flag('N', "intent-to-add"),
    flag(' ', "ita-invisible-in-index"),
];

pub(crate) fn run(globals: &Globals, words: &[String]) -> Outcome {
    let place = Place::find(globals)?;
    let parser =
        Parser { usage: USAGE, tables: &[OWN, TABLE], unknown: Unknown::Invalid, numbers: false };
    let words = parser.parse(words)?;
    let mut reader = Reader::new(place.as_ref());
    for given in &words.given {
        reader.take(given, place.as_ref())?;
    }
    let options = reader.finish(Formats::PATCH)?;
    match place {
        Some(place) if !words.has("no-index") => inside(&place, &words, options),
        place => {
            let explicit = words.has("no-index");
            no_index(place.as_ref(), globals, &words, options, explicit)
        }
    }
}

fn inside(place: &Place, words: &Words, options: Options) -> Outcome {
    let cached = words.has("cached") || words.has("staged");
    let mut request = rev::request(place, &words.operands, words.dashes)?;
    if !cached && place.tree_root.is_none() && request.tips.is_empty() {
        return Err(fatal("this operation must be run in a work tree"));
    }
    if words.has("merge-base") {
        to_merge_base(place, &mut request)?;
    }
    let code = options.exit_code;
    let target = options.output.clone();
    let diff = Diff::new(place, options);
    let (differs, text) = match &target {
        Some(_) => out::capture(|| print(&diff, &request, cached, words)),
        None => (print(&diff, &request, cached, words), vec![]),
    };
    if let Some(file) = target {
        std::fs::write(&file, text)
            .map_err(|e| fatal(format!("could not open '{file}': {}", io_text(&e))))?;
    }
    let differs = differs?;
    if diff.options.formats.check && differs {
        return Ok(2);
    }
    Ok(i32::from(code && differs))
}

/// Replaces the first revision by where it and the other one parted.
fn to_merge_base(place: &Place, request: &mut Request) -> Outcome<()> {
    let first = request
        .tips
        .first()
        .map(|tip| tip.id)
        .ok_or_else(|| fatal("--merge-base needs a commit"))?;
    let other = match request.tips.get(1) {
        Some(tip) => tip.id,
        None => place.head_id().ok_or_else(|| fatal("no HEAD"))?,
    };
    request.tips[0].id =
        place.repo.merge_base(first, other).map_err(|_| fatal("no merge base found"))?;
    Ok(())
}

fn print(diff: &Diff<'_>, request: &Request, cached: bool, words: &Words) -> Outcome<bool> {
    let place = diff.place;
    let tree = |id: Oid| -> Outcome<Tree<'_>> {
        place.repo.find_object(id, None)?.peel_to_tree().map_err(|_| fatal("not a tree"))
    };
    let blobs = request.tips.iter().filter(|tip| is_blob(place, tip.id)).count();
    if blobs > 0 {
        return blobs_or_blob(diff, request);
    }
    let tips: Vec<&rev::Tip> = request.tips.iter().collect();
    let show = |pairs: Vec<Pair>| diff.print(&diff.refine(pairs));
    match tips.as_slice() {
        [] if cached => {
            let stage = Stage::open(place)?;
            let head = place.head_tree();
            let pairs = collect::tree_index(place, head.as_ref(), &stage, &request.paths)?;
            show(with_unchanged(diff, head.as_ref(), pairs)?)
        }
        [] => index_work(diff, request, words),
        [tip] if cached => {
            let stage = Stage::open(place)?;
            let tree = tree(tip.id)?;
            show(collect::tree_index(place, Some(&tree), &stage, &request.paths)?)
        }
        [tip] => {
            let stage = Stage::open(place)?;
            let tree = tree(tip.id)?;
            show(collect::tree_work(&diff.work, Some(&tree), &stage, &request.paths)?)
        }
        _ if cached => Err(plain(129, format!("usage: {USAGE}"))),
        _ => {
            let (old, new) = ends(request)?;
            let (old, new) = (tree(old)?, tree(new)?);
            let pairs = collect::trees(place, Some(&old), Some(&new), &request.paths)?;
            show(with_unchanged(diff, Some(&old), pairs)?)
        }
    }
}

/// With `--find-copies-harder` all files are sources.
fn with_unchanged(
    diff: &Diff<'_>,
    tree: Option<&Tree<'_>>,
    pairs: Vec<Pair>,
) -> Outcome<Vec<Pair>> {
    if diff.options.harder && diff.options.renames == Renames::Copies {
        return collect::unchanged(diff.place, tree, pairs);
    }
    Ok(pairs)
}

/// The two ends of a range: of `a...b` where they parted, and `b`.
fn ends(request: &Request) -> Outcome<(Oid, Oid)> {
    if request.symmetric {
        let base = request.tips.iter().find(|tip| tip.excluded);
        let right = request.tips.iter().find(|tip| !tip.excluded && !tip.left);
        let base = base.ok_or_else(|| {
            fatal(format!("{}: no merge base", request.tips.first().map_or("", |tip| &tip.name)))
        })?;
        return Ok((base.id, right.map_or(base.id, |tip| tip.id)));
    }
    let (old, new) = (&request.tips[0], &request.tips[1]);
    // `git diff b ^a` is `a..b`.
    if new.excluded && !old.excluded { Ok((new.id, old.id)) } else { Ok((old.id, new.id)) }
}

fn is_blob(place: &Place, id: Oid) -> bool {
    place
        .repo
        .odb()
        .and_then(|odb| odb.read_header(id))
        .is_ok_and(|(_, kind)| kind == ObjectType::Blob)
}

fn blobs_or_blob(diff: &Diff<'_>, request: &Request) -> Outcome<bool> {
    let side = |tip: &rev::Tip| {
        let path = tip.name.split_once(':').map_or(tip.name.as_str(), |(_, path)| path);
        let mode = mode_of(diff.place, &tip.name).unwrap_or(stage::FILE);
        Side::object(path.as_bytes(), mode, tip.id)
    };
    let pair = match request.tips.as_slice() {
        [old, new] => Pair::new(Some(side(old)), Some(side(new))),
        [old] if request.paths.items.len() == 1 => {
            let path = &request.paths.items[0].path;
            let meta = diff.work.find(path).ok_or_else(|| fatal("no such file"))?;
            Pair::new(Some(side(old)), Some(Side::file(path, diff.work.mode(&meta, None))))
        }
        _ => return Err(plain(129, format!("usage: {USAGE}"))),
    };
    if pair.same_content(&diff.work)
        && pair.old.as_ref().map(|s| s.mode) == pair.new.as_ref().map(|s| s.mode)
    {
        return Ok(false);
    }
    diff.print(&[pair])
}

/// The mode of `revision:path`.
fn mode_of(place: &Place, name: &str) -> Option<u32> {
    let (revision, path) = name.split_once(':')?;
    let tree = rev::single(place, revision)?.peel_to_tree().ok()?;
    Some(crate::tree::lookup(&tree, path.as_bytes())?.mode)
}

fn index_work(diff: &Diff<'_>, request: &Request, words: &Words) -> Outcome<bool> {
    let mut stage = Stage::open(diff.place)?;
    let wanted =
        [("base", 1), ("ours", 2), ("theirs", 3)].into_iter().find(|(name, _)| words.has(name));
    let mut look = collect::index_work(&diff.work, &stage, &request.paths);
    let combined = diff.options.formats.patch && wanted.is_none() && !words.has("unmerged");
    let conflicts = if combined { conflicts(&diff.work, &stage, &mut look.pairs) } else { vec![] };
    if let Some((_, n)) = wanted {
        against_stage(&diff.work, &stage, n, &mut look.pairs);
    }
    let refreshed = look.refreshed;
    let pairs = diff.refine(look.pairs);
    let mut differs = false;
    for change in &conflicts {
        combined::print(diff, change, true);
        differs = true;
    }
    differs |= diff.print(&pairs)?;
    crate::status::refresh(&mut stage, refreshed);
    Ok(differs)
}

/// Takes the conflicts with both sides out of the list: they are shown as combined differences.
fn conflicts(work: &Work<'_>, stage: &Stage, pairs: &mut Vec<Pair>) -> Vec<Combined> {
    let mut found = vec![];
    let item = |path: &[u8], n: i32| {
        stage.index.get_path(sys::path(path), n).map(|e| Item {
            path: e.path,
            mode: e.mode,
            id: e.id,
        })
    };
    let unmerged: Vec<Vec<u8>> =
        pairs.iter().filter(|p| p.unmerged).map(|p| p.path().to_vec()).collect();
    for path in unmerged {
        let (ours, theirs) = (item(&path, 2), item(&path, 3));
        if ours.is_none() || theirs.is_none() {
            continue;
        }
        pairs.retain(|pair| pair.path() != path);
        let meta = work.find(&path).filter(|meta| meta.kind != Kind::Folder);
        let mode = meta.map(|meta| work.mode(&meta, ours.as_ref().map(|i| i.mode)));
        let content = meta.and_then(|meta| work.stored(&path, &meta).ok()).unwrap_or_default();
        let result = mode.map(|mode| Item { path: path.clone(), mode, id: Oid::ZERO_SHA1 });
        found.push(Combined { path, parents: vec![ours, theirs], result, content: Some(content) });
    }
    found
}

/// Compares unmerged files with one stage.
fn against_stage(work: &Work<'_>, stage: &Stage, n: i32, pairs: &mut Vec<Pair>) {
    let unmerged: Vec<Vec<u8>> =
        pairs.iter().filter(|p| p.unmerged).map(|p| p.path().to_vec()).collect();
    pairs.retain(|pair| pair.unmerged || !unmerged.iter().any(|path| path == pair.path()));
    for path in unmerged {
        let Some(entry) = stage.index.get_path(sys::path(&path), n) else { continue };
        let new =
            work.find(&path).map(|meta| Side::file(&path, work.mode(&meta, Some(entry.mode))));
        let at = pairs
            .iter()
            .position(|p| p.unmerged && p.path() == path)
            .map_or(pairs.len(), |at| at + 1);
        pairs.insert(at, Pair::new(Some(Side::object(&path, entry.mode, entry.id)), new));
    }
}

/// Two paths that need not be in a repository.
fn no_index(
    place: Option<&Place>,
    globals: &Globals,
    words: &Words,
    options: Options,
    explicit: bool,
) -> Outcome {
    let [old, new] = words.operands.as_slice() else {
        let text = if explicit {
            "usage: git diff --no-index [<options>] <path> <path>".to_owned()
        } else {
            "warning: Not a git repository. Use --no-index to compare two paths outside a working tree\nusage: git diff --no-index [<options>] <path> <path>".to_owned()
        };
        return Err(plain(129, text));
    };
    let apart;
    let place = match place {
        Some(place) => place,
        None => {
            apart = Place::nowhere(globals)?;
            &apart
        }
    };
    let mut options = options;
    options.relative = None;
    let diff = Diff::new(place, options);
    let mut pairs = vec![];
    let (mut old, mut new) = (old.clone(), new.clone());
    // A file against a folder is compared with the file of its name there.
    let is_folder = |path: &str| path != "-" && std::path::Path::new(path).is_dir();
    let base =
        |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned();
    match (is_folder(&old), is_folder(&new)) {
        (true, false) if new != "-" => {
            old = format!("{}/{}", old.trim_end_matches('/'), base(&new))
        }
        (false, true) if old != "-" => {
            new = format!("{}/{}", new.trim_end_matches('/'), base(&old))
        }
        _ => {}
    }
    walk(&old, &new, true, &mut pairs)?;
    let pairs = diff.refine(pairs);
    let differs = diff.print(&pairs)?;
    if diff.options.formats.check && differs {
        return Ok(2);
    }
    Ok(i32::from(differs))
}

/// One side of `--no-index`.
fn side(path: &str) -> Outcome<Option<std::rc::Rc<Side>>> {
    let could_not =
        |e: &std::io::Error| error(format!("Could not access '{path}': {}", io_text(e)));
    if path == "/dev/null" {
        return Ok(None);
    }
    if path == "-" {
        let mut content = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut content)?;
        return Ok(Some(Side::given(b"-", stage::FILE, content)));
    }
    let file = std::path::Path::new(path);
    let meta = sys::lstat(file).map_err(|e| could_not(&e))?;
    let (mode, content) = match meta.kind {
        Kind::Link => (stage::LINK, sys::path_bytes(&std::fs::read_link(file)?).to_vec()),
        _ if meta.executable => (stage::PROGRAM, std::fs::read(file).map_err(|e| could_not(&e))?),
        _ => (stage::FILE, std::fs::read(file).map_err(|e| could_not(&e))?),
    };
    Ok(Some(Side::given(path.as_bytes(), mode, content)))
}

fn walk(old: &str, new: &str, both: bool, pairs: &mut Vec<Pair>) -> Outcome<()> {
    let folder = |path: &str| {
        path != "-"
            && sys::find(std::path::Path::new(path)).is_some_and(|meta| meta.kind == Kind::Folder)
    };
    let exists = |path: &str| path == "-" || sys::find(std::path::Path::new(path)).is_some();
    if !folder(old) && !folder(new) {
        let get = |path: &str| if both || exists(path) { side(path) } else { Ok(None) };
        let (a, b) = (get(old)?, get(new)?);
        let same = matches!((&a, &b), (Some(a), Some(b)) if a.mode == b.mode && same_given(a, b));
        if !same {
            pairs.push(Pair::new(a, b));
        }
        return Ok(());
    }
    let names = |path: &str| -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut all = [names(old), names(new)].concat();
    all.sort();
    all.dedup();
    let below = |path: &str, name: &str| {
        if path.ends_with('/') { format!("{path}{name}") } else { format!("{path}/{name}") }
    };
    for name in all {
        walk(&below(old, &name), &below(new, &name), false, pairs)?;
    }
    Ok(())
}

fn same_given(a: &Side, b: &Side) -> bool {
    a.given_content() == b.given_content()
}
