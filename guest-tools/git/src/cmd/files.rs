//! `git rm` and `git mv`.

use crate::args::{self, Opt, Words, flag, value};
use crate::diff::collect::{self, Fate};
use crate::fail::{Outcome, fatal, io_text, plain};
use crate::out::{out, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, Stage};
use crate::sys::{self, Kind};
use crate::tree;
use crate::work::Work;

const RM_USAGE: &str =
    "git rm [-f | --force] [-n] [-r] [--cached] [--ignore-unmatch] [--quiet] [--] [<pathspec>...]";
const RM: &[Opt] = &[
    flag('n', "dry-run"),
    flag('q', "quiet"),
    flag(' ', "cached"),
    flag('f', "force"),
    flag('r', "r"),
    flag(' ', "ignore-unmatch"),
    flag(' ', "sparse"),
    value(' ', "pathspec-from-file"),
];
const MV_USAGE: &str = "git mv [<options>] <source>... <destination>";
const MV: &[Opt] = &[
    flag('v', "verbose"),
    flag('n', "dry-run"),
    flag('f', "force"),
    flag('k', "k"),
    flag(' ', "sparse"),
];

pub(crate) fn rm(place: &Place, words: &[String]) -> Outcome {
    let mut words = args::parse(RM_USAGE, RM, words)?;
    if let Some(file) = words.value("pathspec-from-file") {
        words.operands = super::add::read_paths(file, false)?;
    }
    if words.operands.is_empty() {
        return Err(fatal("No pathspec was given. Which files should I remove?"));
    }
    place.root()?;
    let paths = Pathspec::new(place, &words.operands)?;
    let mut stage = Stage::open(place)?;
    let mut wanted: Vec<_> =
        stage.entries().into_iter().filter(|entry| paths.fits(&entry.path)).collect();
    wanted.dedup_by(|a, b| a.path == b.path);
    let known: Vec<Vec<u8>> = wanted.iter().map(|entry| entry.path.clone()).collect();
    check_matches(&words, &paths, &known)?;
    if !words.has("force") {
        check_changes(place, &words, &stage, &wanted)?;
    }
    let work = Work::new(place);
    for entry in &wanted {
        if !words.has("quiet") {
            outln!("rm '{}'", lossy(&entry.path));
        }
        if words.has("dry-run") {
            continue;
        }
        stage.remove(&entry.path);
        if !words.has("cached") {
            remove_file(place, &work, &entry.path)?;
        }
    }
    if !words.has("dry-run") {
        stage.write()?;
    }
    Ok(0)
}

fn remove_file(place: &Place, work: &Work<'_>, path: &[u8]) -> Outcome<()> {
    let file = place.file(path);
    match sys::find(&file) {
        Some(meta) if meta.kind == Kind::Folder => {
            std::fs::remove_dir_all(&file)
                .map_err(|e| fatal(format!("git rm: '{}': {}", lossy(path), io_text(&e))))?;
            work.remove_empty_above(path);
        }
        _ => work.remove(path),
    }
    Ok(())
}

fn check_matches(words: &Words, paths: &Pathspec, known: &[Vec<u8>]) -> Outcome<()> {
    let all = || known.iter().map(Vec::as_slice);
    if let Some(item) = paths.unmatched(all())
        && !words.has("ignore-unmatch")
    {
        return Err(fatal(format!("pathspec '{}' did not match any files", item.word)));
    }
    let recursive = paths.items.iter().find(|item| {
        !item.excludes
            && all().any(|path| {
                item.fits(path, false)
                    && path != item.path
                    && path.starts_with(&[&item.path, &b"/"[..]].concat())
            })
            || (item.path.is_empty() && !known.is_empty())
    });
    match recursive {
        Some(item) if !words.has("r") => {
            Err(fatal(format!("not removing '{}' recursively without -r", item.word)))
        }
        _ => Ok(()),
    }
}

/// What would be lost is refused.
fn check_changes(
    place: &Place,
    words: &Words,
    stage: &Stage,
    wanted: &[git2::IndexEntry],
) -> Outcome<()> {
    let work = Work::new(place);
    let head = place.head_tree();
    let cached = words.has("cached");
    let (mut both, mut staged, mut local) = (vec![], vec![], vec![]);
    for entry in wanted.iter().filter(|entry| stage::stage(entry) == 0) {
        let name = lossy(&entry.path).into_owned();
        let Some(meta) = work.find(&entry.path) else { continue };
        if meta.kind == Kind::Folder {
            continue;
        }
        let changed = !matches!(collect::fate(&work, stage, entry), Fate::Same(_));
        let old = head.as_ref().and_then(|head| tree::lookup(head, &entry.path));
        let index_differs = old.is_none_or(|old| old.id != entry.id || old.mode != entry.mode);
        let announced = stage::is_announced(entry);
        if changed && index_differs && !(cached && announced) {
            both.push(name);
        } else if !cached && index_differs {
            staged.push(name);
        } else if !cached && changed {
            local.push(name);
        }
    }
    let mut text = String::new();
    let mut tell = |names: &[String], what: &str, hint: &str| {
        if names.is_empty() {
            return;
        }
        let (file, has) = if names.len() == 1 {
            ("the following file has", "")
        } else {
            ("the following files have", "s")
        };
        let what = what.replace("{s}", has);
        let list: String = names.iter().map(|name| format!("    {name}\n")).collect();
        text += &format!("error: {file} {what}:\n{list}({hint})\n");
    };
    tell(
        &both,
        "staged content different from both the\nfile and the HEAD",
        "use -f to force removal",
    );
    tell(
        &staged,
        "changes staged in the index",
        "use --cached to keep the file, or -f to force removal",
    );
    tell(&local, "local modifications", "use --cached to keep the file, or -f to force removal");
    if text.is_empty() { Ok(()) } else { Err(plain(1, text.trim_end())) }
}

pub(crate) fn mv(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(MV_USAGE, MV, words)?;
    let [sources @ .., target] = words.operands.as_slice() else {
        return Err(plain(129, format!("usage: {MV_USAGE}")));
    };
    if sources.is_empty() {
        return Err(plain(129, format!("usage: {MV_USAGE}")));
    }
    place.root()?;
    let mut stage = Stage::open(place)?;
    let destination = place.relative(target)?;
    let into = destination.is_empty()
        || sys::find(&place.file(&destination)).is_some_and(|meta| meta.kind == Kind::Folder);
    if sources.len() > 1 && !into {
        return Err(fatal(format!("destination '{target}' is not a directory")));
    }
    if !into && target.ends_with('/') {
        let source = place.relative(&sources[0])?;
        let folder = sys::find(&place.file(&source)).is_some_and(|meta| meta.kind == Kind::Folder);
        if !folder {
            let (from, to) = (lossy(&source).into_owned(), lossy(&destination).into_owned());
            return Err(fatal(format!(
                "destination directory does not exist, source={from}, destination={to}/"
            )));
        }
    }
    let mut moves = vec![];
    for source in sources {
        let from = place.relative(source)?;
        let to = if into {
            let name = from.rsplit(|b| *b == b'/').next().unwrap_or(&from);
            let folder = if destination.is_empty() {
                vec![]
            } else {
                [destination.as_slice(), b"/"].concat()
            };
            [folder.as_slice(), name].concat()
        } else {
            destination.clone()
        };
        match check_move(place, &words, &stage, &from, &to) {
            Err(_) if words.has("k") => {}
            Err(why) => {
                return Err(fatal(format!(
                    "{why}, source={}, destination={}",
                    lossy(&from),
                    lossy(&to)
                )));
            }
            Ok(()) => moves.push((from, to)),
        }
    }
    for (from, to) in moves {
        if words.has("dry-run") {
            outln!("Checking rename of '{}' to '{}'", lossy(&from), lossy(&to));
        }
        move_one(place, &words, &mut stage, &from, &to)?;
    }
    if !words.has("dry-run") {
        stage.write()?;
    }
    Ok(0)
}

fn check_move(
    place: &Place,
    words: &Words,
    stage: &Stage,
    from: &[u8],
    to: &[u8],
) -> Result<(), &'static str> {
    let Some(meta) = sys::find(&place.file(from)) else { return Err("bad source") };
    let folder = meta.kind == Kind::Folder;
    if folder && (to == from || to.starts_with(&[from, b"/"].concat())) {
        return Err("can not move directory into itself");
    }
    if folder && !stage.knows(from) {
        return Err("source directory is empty");
    }
    if !stage.knows(from) {
        return Err("not under version control");
    }
    if !folder && stage.get(from).is_none() {
        return Err("conflicted");
    }
    if sys::find(&place.file(to)).is_some() {
        let overwritable = words.has("force")
            && !folder
            && sys::find(&place.file(to)).is_some_and(|m| m.kind != Kind::Folder);
        if !overwritable {
            return Err("destination exists");
        }
    }
    let parent = to.iter().rposition(|b| *b == b'/').map_or(&[][..], |at| &to[..at]);
    if sys::find(&place.file(parent)).is_none_or(|meta| meta.kind != Kind::Folder) {
        return Err("destination directory does not exist");
    }
    Ok(())
}

fn move_one(
    place: &Place,
    words: &Words,
    stage: &mut Stage,
    from: &[u8],
    to: &[u8],
) -> Outcome<()> {
    let renaming = |from: &[u8], to: &[u8]| {
        if words.has("verbose") || words.has("dry-run") {
            out!("Renaming {} to {}\n", lossy(from), lossy(to));
        }
    };
    renaming(from, to);
    let below = [from, b"/"].concat();
    let entries: Vec<_> = stage
        .entries()
        .into_iter()
        .filter(|e| e.path == from || e.path.starts_with(&below))
        .collect();
    for entry in entries.iter().filter(|entry| entry.path != from) {
        renaming(&entry.path, &[to, &entry.path[from.len()..]].concat());
    }
    if words.has("dry-run") {
        return Ok(());
    }
    std::fs::rename(place.file(from), place.file(to))
        .map_err(|e| fatal(format!("renaming '{}' failed: {}", lossy(from), io_text(&e))))?;
    for mut entry in entries {
        let old = entry.path.clone();
        entry.path = [to, &old[from.len()..]].concat();
        stage.remove(&old);
        // The length of the name is in the flags too.
        entry.flags &= 0xf000;
        stage.put(&entry)?;
    }
    Ok(())
}
