//! `git add`.

use git2::{IndexEntry, ObjectType};

use crate::args::{self, Opt, Words, flag, value};
use crate::diff::collect::{self, Fate};
use crate::fail::{Outcome, fatal, plain, refuse};
use crate::ignore::Ignore;
use crate::out::{note, out};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, PROGRAM, Stage};
use crate::untracked::{self, Wanted};
use crate::work::Work;

const USAGE: &str = "git add [<options>] [--] <pathspec>...";
const TABLE: &[Opt] = &[
    flag('n', "dry-run"),
    flag('v', "verbose"),
    flag('i', "interactive"),
    flag('p', "patch"),
    flag('e', "edit"),
    flag('f', "force"),
    flag('u', "update"),
    flag(' ', "renormalize"),
    flag('N', "intent-to-add"),
    flag('A', "all"),
    flag(' ', "ignore-removal"),
    flag(' ', "refresh"),
    flag(' ', "ignore-errors"),
    flag(' ', "ignore-missing"),
    flag(' ', "sparse"),
    flag(' ', "warn-embedded-repo"),
    value(' ', "chmod"),
    value(' ', "pathspec-from-file"),
    flag(' ', "pathspec-file-nul"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let mut words = args::parse(USAGE, TABLE, words)?;
    for (name, what) in [("patch", "add -p"), ("interactive", "add -i"), ("edit", "add -e")] {
        if words.has(name) {
            return Err(refuse(format!("interactive `git {what}`")));
        }
    }
    if words.has("all") && words.has("update") {
        return Err(fatal("options '-A' and '-u' cannot be used together"));
    }
    if let Some(file) = words.value("pathspec-from-file") {
        words.operands = read_paths(file, words.has("pathspec-file-nul"))?;
    }
    let whole = words.has("all") || words.has("update") || words.has("renormalize");
    if words.operands.is_empty() && !whole {
        note(
            "Nothing specified, nothing added.\nhint: Maybe you wanted to say 'git add .'?\n\
              hint: Disable this message with \"git config advice.addEmptyPathspec false\"",
        );
        return Ok(0);
    }
    let paths = Pathspec::new(place, &words.operands)?;
    place.root()?;
    let mut adding = Adding::new(place, &words, paths)?;
    adding.run()
}

/// Reads paths from a file or standard input.
pub(crate) fn read_paths(file: &str, nul: bool) -> Outcome<Vec<String>> {
    let text = if file == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file)?
    };
    let separator = if nul { '\0' } else { '\n' };
    Ok(text.split(separator).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

struct Adding<'a> {
    place: &'a Place,
    words: &'a Words,
    paths: Pathspec,
    stage: Stage,
    work: Work<'a>,
    code: i32,
}

impl<'a> Adding<'a> {
    fn new(place: &'a Place, words: &'a Words, paths: Pathspec) -> Outcome<Self> {
        Ok(Self {
            place,
            words,
            paths,
            stage: Stage::open(place)?,
            work: Work::new(place),
            code: 0,
        })
    }

    fn run(&mut self) -> Outcome {
        let new = if self.words.has("update") || self.words.has("renormalize") {
            vec![]
        } else {
            self.untracked()?
        };
        self.check_matches(&new)?;
        if self.words.has("refresh") {
            let look = collect::index_work(&self.work, &self.stage, &self.paths);
            crate::status::refresh(&mut self.stage, look.refreshed);
            return Ok(0);
        }
        if self.words.has("renormalize") {
            self.renormalize()?;
        }
        let removals =
            self.words.has("all") || self.words.has("update") || !self.words.has("ignore-removal");
        self.update(removals)?;
        for path in new {
            self.add_new(&path)?;
        }
        self.chmod()?;
        if !self.words.has("dry-run") {
            self.stage.write()?;
        }
        Ok(self.code)
    }

    /// New files that are meant and not ignored.
    fn untracked(&mut self) -> Outcome<Vec<Vec<u8>>> {
        let force = self.words.has("force");
        let mut ignore =
            if force { Ignore::only_given(self.place) } else { Ignore::new(self.place) };
        let wanted =
            Wanted { paths: &self.paths, folders: false, empty_folders: false, ignored: false };
        let found = untracked::scan(self.place, &self.stage, &mut ignore, &wanted);
        self.complain_of_ignored(&mut ignore, &found.untracked);
        Ok(found.untracked)
    }

    /// Paths that were named and are ignored are refused; the others are added all the same.
    fn complain_of_ignored(&mut self, ignore: &mut Ignore<'_>, new: &[Vec<u8>]) {
        let mut refused: Vec<String> = vec![];
        for item in self.paths.items.iter().filter(|item| !item.excludes && !item.path.is_empty()) {
            let Some(meta) = self.work.find(&item.path) else { continue };
            let folder = meta.kind == crate::sys::Kind::Folder;
            if self.stage.knows(&item.path) || new.iter().any(|path| item.fits(path, false)) {
                continue;
            }
            if ignore.is_ignored(&item.path, folder) {
                refused.push(lossy(&ignored_part(ignore, &item.path)).into_owned());
            }
        }
        if !refused.is_empty() && !self.words.has("ignore-missing") {
            note(format!(
                "The following paths are ignored by one of your .gitignore files:\n{}\n\
                 hint: Use -f if you really want to add them.\n\
                 hint: Disable this message with \"git config advice.addIgnoredFile false\"",
                refused.join("\n")
            ));
            self.code = 1;
        }
    }

    fn check_matches(&self, new: &[Vec<u8>]) -> Outcome<()> {
        let entries = self.stage.entries();
        let known = entries.iter().map(|entry| entry.path.as_slice());
        let all = known.chain(new.iter().map(|path| path.strip_suffix(b"/").unwrap_or(path)));
        if let Some(item) = self.paths.unmatched(all) {
            let there = !self.words.has("update") && self.work.find(&item.path).is_some();
            if there || self.words.has("ignore-missing") {
                // Ignored, or an empty folder.
                return Ok(());
            }
            return Err(fatal(format!("pathspec '{}' did not match any files", item.word)));
        }
        Ok(())
    }

    /// Takes changed files, and drops those that are gone.
    fn update(&mut self, removals: bool) -> Outcome<()> {
        let mut last: Vec<u8> = vec![];
        let mut links = collect::Links::default();
        for entry in self.stage.entries() {
            if entry.path == last || !self.paths.fits(&entry.path) {
                continue;
            }
            last.clone_from(&entry.path);
            let unmerged = stage::stage(&entry) > 0;
            let fate = if links.lead(&self.work, &entry.path) {
                Fate::Gone
            } else {
                collect::fate(&self.work, &self.stage, &entry)
            };
            match fate {
                Fate::Same(meta) if !unmerged => {
                    if !self.stage.is_fresh(&entry, &meta) && !self.words.has("dry-run") {
                        self.stage.index.add(&stage::known(
                            &entry.path,
                            entry.mode,
                            entry.id,
                            &meta,
                        ))?;
                    }
                }
                Fate::Gone if removals => self.remove(&entry.path),
                Fate::Gone => {}
                _ if self.words.has("intent-to-add") && stage::is_announced(&entry) => {}
                _ => self.store(&entry.path, Some(&entry))?,
            }
        }
        Ok(())
    }

    fn tell(&self, doing: &str, path: &[u8]) {
        if self.words.has("verbose") || self.words.has("dry-run") {
            out!("{doing} '{}'\n", lossy(path));
        }
    }

    fn remove(&mut self, path: &[u8]) {
        self.tell("remove", path);
        if !self.words.has("dry-run") {
            self.stage.remove(path);
        }
    }

    fn add_new(&mut self, path: &[u8]) -> Outcome<()> {
        let path = match path.strip_suffix(b"/") {
            Some(folder) => {
                self.warn_of_repository(folder);
                folder
            }
            None => path,
        };
        self.store(path, None)
    }

    fn warn_of_repository(&self, folder: &[u8]) {
        if crate::work::module_head(&self.place.file(folder)).is_some() {
            note(format!(
                "warning: adding embedded git repository: {0}\n\
                 hint: You've added another git repository inside your current repository.\n\
                 hint: Clones of the outer repository will not contain the contents of\n\
                 hint: the embedded repository and will not know how to obtain it.\n\
                 hint: If you meant to add a submodule, use:\n\
                 hint:\n\
                 hint: \tgit submodule add <url> {0}\n\
                 hint:\n\
                 hint: If you added this path by mistake, you can remove it from the\n\
                 hint: index with:\n\
                 hint:\n\
                 hint: \tgit rm --cached {0}\n\
                 hint:\n\
                 hint: See \"git help submodule\" for more information.\n\
                 hint: Disable this message with \"git config advice.addEmbeddedRepo false\"",
                lossy(folder)
            ));
        }
    }

    fn store(&mut self, path: &[u8], known: Option<&IndexEntry>) -> Outcome<()> {
        let Some(meta) = self.work.find(path) else { return Ok(()) };
        let known_mode = known.map(|entry| entry.mode);
        if self.words.has("dry-run") {
            self.tell("add", path);
            return Ok(());
        }
        let entry = if self.words.has("intent-to-add") && known.is_none() {
            let empty = self.place.repo.odb()?.write(ObjectType::Blob, b"")?;
            stage::announced(path, self.work.mode(&meta, None), empty)
        } else {
            self.work
                .store(path, &meta, known_mode)
                .map_err(|fail| plain(128, format!("{}\nfatal: adding files failed", fail.text)))?
        };
        self.tell("add", path);
        self.stage.put(&entry)
    }

    /// Stores all known files again, with the line ends that attributes ask for now.
    fn renormalize(&mut self) -> Outcome<()> {
        let mut entries = self.stage.entries();
        entries.retain(|entry| self.paths.fits(&entry.path));
        for entry in &entries {
            if stage::stage(entry) == 0 {
                self.store(&entry.path, Some(entry))?;
            }
        }
        Ok(())
    }

    fn chmod(&mut self) -> Outcome<()> {
        let mode = match self.words.value("chmod") {
            None => return Ok(()),
            Some("+x") => PROGRAM,
            Some("-x") => stage::FILE,
            Some(other) => {
                return Err(fatal(format!("--chmod param '{other}' must be either -x or +x")));
            }
        };
        for mut entry in self.stage.entries() {
            let file = entry.mode & 0o170_000 == 0o100_000;
            if file && self.paths.fits(&entry.path) && !self.words.has("dry-run") {
                entry.mode = mode;
                self.stage.put(&entry)?;
            }
        }
        Ok(())
    }
}

/// The folder or file that the pattern is about.
fn ignored_part(ignore: &mut Ignore<'_>, path: &[u8]) -> Vec<u8> {
    let slashes: Vec<usize> =
        path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).collect();
    let found = slashes.into_iter().find(|at| ignore.is_ignored(&path[..*at], true));
    found.map_or_else(|| path.to_vec(), |at| path[..at].to_vec())
}

/// Takes all changes of known files, as `commit -a` does.
pub(crate) fn update_known(place: &Place, stage: &mut Stage, paths: &Pathspec) -> Outcome<()> {
    let words = Words::default();
    let own = std::mem::replace(stage, Stage::open(place)?);
    let mut adding = Adding {
        place,
        words: &words,
        paths: paths.clone(),
        stage: own,
        work: Work::new(place),
        code: 0,
    };
    let result = adding.update(true);
    *stage = adding.stage;
    result
}
