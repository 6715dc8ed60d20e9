//! `git clean`.

use crate::args::{self, Opt, flag, value};
use crate::fail::{Outcome, fatal, refuse};
use crate::ignore::{self, Ignore};
use crate::out::{self};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote;
use crate::stage::Stage;
use crate::untracked::{self, Wanted};

const USAGE: &str =
    "git clean [-d] [-f] [-i] [-n] [-q] [-e <pattern>] [-x | -X] [--] [<pathspec>...]";
const TABLE: &[Opt] = &[
    flag('q', "quiet"),
    flag('n', "dry-run"),
    flag('f', "force"),
    flag('i', "interactive"),
    flag('d', "d"),
    value('e', "exclude"),
    flag('x', "x"),
    flag('X', "X"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    place.root()?;
    if words.has("interactive") {
        return Err(refuse("`git clean -i`"));
    }
    if words.has("x") && words.has("X") {
        return Err(fatal("options '-x' and '-X' cannot be used together"));
    }
    let dry = words.has("dry-run");
    if !words.has("force") && !dry && place.setting_bool("clean.requireforce") != Some(false) {
        return Err(fatal("clean.requireForce is true and -f not given: refusing to clean"));
    }
    let paths = if words.operands.is_empty() {
        Pathspec::here(place)?
    } else {
        Pathspec::new(place, &words.operands)?
    };
    let stage = Stage::open(place)?;
    let mut ignore = if words.has("x") { Ignore::only_given(place) } else { Ignore::new(place) };
    words.values("exclude").for_each(|pattern| ignore.give(pattern));
    let only_ignored = words.has("X");
    let named = !words.operands.is_empty();
    let wanted = Wanted {
        paths: &paths,
        folders: words.has("d") || !named,
        empty_folders: true,
        ignored: true,
    };
    let found = untracked::scan(place, &stage, &mut ignore, &wanted);
    let mut gone = if only_ignored { found.ignored.clone() } else { found.untracked.clone() };
    // A folder that keeps something ignored is not removed as a whole.
    if !only_ignored {
        gone = gone
            .into_iter()
            .flat_map(|path| without_ignored(place, &stage, &mut ignore, path))
            .collect();
    }
    gone.retain(|path| words.has("d") || !path.ends_with(b"/"));
    let twice = words.given.iter().filter(|g| g.name == "force").count() > 1;
    gone.sort();
    for path in gone {
        let folder = path.strip_suffix(b"/");
        let word = match (folder, dry) {
            (Some(folder), _) if ignore::is_repository(place, folder) && !twice => {
                if dry {
                    "Would skip repository "
                } else {
                    "Skipping repository "
                }
            }
            (_, true) => "Would remove ",
            (_, false) => "Removing ",
        };
        let skipped = word.contains("repository");
        if !words.has("quiet") || dry {
            let shown =
                if skipped { place.seen(folder.unwrap_or(&path)) } else { place.seen(&path) };
            out::bytes(
                &[word.as_bytes(), &quote::path(&shown, place.quotes_high()), b"\n"].concat(),
            );
        }
        if !dry && !skipped {
            let file = place.file(folder.unwrap_or(&path));
            let removed = if folder.is_some() {
                std::fs::remove_dir_all(&file)
            } else {
                std::fs::remove_file(&file)
            };
            if let Err(e) = removed {
                out::note(format!(
                    "warning: failed to remove {}: {}",
                    quote::lossy(&path),
                    crate::fail::io_text(&e)
                ));
            }
        }
    }
    Ok(0)
}

/// A folder, or what is in it if something there is ignored.
fn without_ignored(
    place: &Place,
    stage: &Stage,
    ignore: &mut Ignore<'_>,
    path: Vec<u8>,
) -> Vec<Vec<u8>> {
    let Some(folder) = path.strip_suffix(b"/") else { return vec![path] };
    let one = Pathspec::literal(folder);
    let wanted = Wanted { paths: &one, folders: false, empty_folders: false, ignored: true };
    let inside = untracked::scan(place, stage, ignore, &wanted);
    if inside.ignored.is_empty() { vec![path] } else { inside.untracked }
}
