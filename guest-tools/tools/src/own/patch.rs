//! `patch`, as GNU's: unified, context and normal diffs, with offsets and fuzz, `.orig` and `.rej`.
//!
//! Ours, because the crates that apply patches want them to fit exactly.

mod apply;
mod parse;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};
use parse::{FilePatch, Hunk};

const HELP: &str = "Usage: patch [OPTION]... [ORIGFILE [PATCHFILE]]

  -p NUM  --strip=NUM  Strip NUM leading components from file names.
  -F LINES  --fuzz LINES  Set the fuzz factor to LINES for inexact matching.
  -c  --context  Interpret the patch as a context difference.
  -u  --unified  Interpret the patch as a unified difference.
  -n  --normal  Interpret the patch as a normal difference.
  -N  --forward  Ignore patches that appear to be reversed or already applied.
  -R  --reverse  Assume patches were created with old and new files swapped.
  -i PATCHFILE  --input=PATCHFILE  Read patch from PATCHFILE instead of stdin.
  -o FILE  --output=FILE  Output patched files to FILE.
  -r FILE  --reject-file=FILE  Output rejects to FILE.
  -E  --remove-empty-files  Remove output files that are empty after patching.
  -t  --batch  Ask no questions; skip bad-Prereq patches; assume reversed.
  -f  --force  Like -t, but ignore bad-Prereq patches, and assume unreversed.
  -s  --quiet  --silent  Work silently unless an error occurs.
  -b  --backup  Back up the original contents of each file.
  --no-backup-if-mismatch  Back up mismatches only if otherwise requested.
  -z SUFFIX  --suffix=SUFFIX  Append SUFFIX to backup file name.
  -d DIR  --directory=DIR  Change the working directory to DIR first.
  --dry-run  Do not actually change any files; just print what would happen.
  --help  Output this help.
";

const SPEC: Spec = Spec {
    flags: "cunNREtfsblTZ",
    values: "pFiordzBYVDg",
    attached: "",
    longs: &[
        ("strip", 'p'),
        ("fuzz", 'F'),
        ("context", 'c'),
        ("unified", 'u'),
        ("normal", 'n'),
        ("forward", 'N'),
        ("reverse", 'R'),
        ("input", 'i'),
        ("output", 'o'),
        ("reject-file", 'r'),
        ("remove-empty-files", 'E'),
        ("batch", 't'),
        ("force", 'f'),
        ("quiet", 's'),
        ("silent", 's'),
        ("backup", 'b'),
        ("no-backup-if-mismatch", 'm'),
        ("backup-if-mismatch", 'M'),
        ("suffix", 'z'),
        ("directory", 'd'),
        ("ignore-whitespace", 'l'),
        ("dry-run", 'y'),
        ("binary", 'a'),
        ("verbose", 'v'),
        ("posix", 'P'),
        ("reject-format=", 'j'),
        ("help", '?'),
        ("version", 'x'),
    ],
    stops: false,
};

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("patch: {e}\npatch: Try 'patch --help' for more information.");
            return Ok(2);
        }
    };
    if parsed.has('?') {
        print!("{HELP}");
        return Ok(0);
    }
    if parsed.has('x') {
        println!("GNU patch 2.7.6");
        return Ok(0);
    }
    match patch(&parsed) {
        Ok(code) => Ok(code),
        Err(message) => {
            eprintln!("patch: **** {message}");
            Ok(2)
        }
    }
}

fn patch(parsed: &Parsed) -> Result<i32, String> {
    if let Some(folder) = parsed.value('d') {
        std::env::set_current_dir(folder)
            .map_err(|e| format!("Can't change to directory {folder} : {}", reason(&e)))?;
    }
    let input = parsed.value('i').or(parsed.operands.get(1).map(String::as_str));
    let text = match input {
        Some(file) if file != "-" => {
            fs::read(file).map_err(|e| format!("Can't open patch file {file} : {}", reason(&e)))?
        }
        _ => {
            let mut text = vec![];
            io::stdin().read_to_end(&mut text).map_err(|e| reason(&e))?;
            text
        }
    };
    let text: String = text.iter().map(|c| char::from(*c)).collect();
    let files = parse::parse(&text)?;
    if files.is_empty() {
        if text.is_empty() {
            return Ok(0);
        }
        return Err("Only garbage was found in the patch input.".into());
    }
    let mut code = 0;
    for file in files {
        code = code.max(Job::new(parsed).file(file)?);
    }
    Ok(code)
}

struct Job<'a> {
    parsed: &'a Parsed,
    quiet: bool,
    dry: bool,
    strip: Option<usize>,
    fuzz: usize,
}

impl<'a> Job<'a> {
    fn new(parsed: &'a Parsed) -> Self {
        Self {
            parsed,
            quiet: parsed.has('s'),
            dry: parsed.has('y'),
            strip: parsed.value('p').and_then(|it| it.parse().ok()),
            fuzz: parsed.value('F').and_then(|it| it.parse().ok()).unwrap_or(2),
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }

    /// Patches one file; 1 if something did not fit.
    fn file(&self, mut patch: FilePatch) -> Result<i32, String> {
        if self.parsed.has('R') {
            patch.reverse();
        }
        let name = match self.parsed.operands.first() {
            Some(name) => name.clone(),
            None => match self.name(&patch) {
                Some(name) => name,
                None => return Ok(self.nothing_to_patch(&patch)),
            },
        };
        let path = Path::new(&name);
        let content = match fs::read(path) {
            Ok(bytes) => Some(bytes.iter().map(|c| char::from(*c)).collect::<String>()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(format!("Can't open file {name} : {}", reason(&e))),
        };
        self.say(&self.announcement(&name));
        if content.is_none() && !patch.creates() {
            if self.parsed.operands.first().is_some() && !patch.creates() {
                return Err(format!("Can't find file {name} : No such file or directory"));
            }
        }
        let before = content.clone().unwrap_or_default();
        if let Some(code) = self.reversed(&patch, &before, &name, content.is_some())? {
            return Ok(code);
        }
        let result = apply::apply(&before, &patch.hunks, self.fuzz, self.parsed.has('l'));
        result.report.iter().for_each(|it| self.say(it));
        self.finish(&name, &patch, content.as_deref(), &result)
    }

    fn announcement(&self, name: &str) -> String {
        let word = if self.dry { "checking" } else { "patching" };
        match self.parsed.value('o') {
            Some(output) if !self.dry => format!("{word} file {output} (read from {name})"),
            _ => format!("{word} file {name}"),
        }
    }

    /// The file that a patch is for: the name with the fewest parts, then the shortest, of those
    /// that exist.
    fn name(&self, patch: &FilePatch) -> Option<String> {
        let stripped = |name: &Option<String>| {
            let name = name.as_ref().filter(|it| *it != "/dev/null")?;
            let name = match self.strip {
                Some(count) => {
                    let mut rest = name.as_str();
                    for _ in 0..count {
                        rest = rest.split_once('/')?.1.trim_start_matches('/');
                    }
                    rest
                }
                None if Path::new(name).exists() => name,
                None => name.rsplit('/').next().unwrap_or(name),
            };
            (!name.is_empty()).then(|| name.to_owned())
        };
        let names: Vec<String> =
            [&patch.old, &patch.new, &patch.index].into_iter().filter_map(stripped).collect();
        let mut present: Vec<&String> = names.iter().filter(|it| Path::new(it).exists()).collect();
        present.sort_by_key(|it| (it.matches('/').count(), it.len()));
        if let Some(name) = present.first() {
            return Some((*name).clone());
        }
        if patch.creates() { stripped(&patch.new).or(names.first().cloned()) } else { None }
    }

    fn nothing_to_patch(&self, patch: &FilePatch) -> i32 {
        println!("can't find file to patch at input line {}", patch.line);
        if self.strip.is_none() {
            println!("Perhaps you should have used the -p or --strip option?");
        } else {
            println!("Perhaps you used the wrong -p or --strip option?");
        }
        println!("The text leading up to this was:\n--------------------------");
        patch.header.iter().for_each(|it| println!("|{it}"));
        println!("--------------------------");
        if !self.parsed.has('f') && !self.parsed.has('t') {
            println!("File to patch: ");
            println!("Skip this patch? [y] ");
        }
        println!("Skipping patch.");
        let n = patch.hunks.len();
        println!("{n} out of {n} hunk{} ignored", if n == 1 { "" } else { "s" });
        1
    }

    /// What to do about a patch that seems to be applied already.
    fn reversed(
        &self,
        patch: &FilePatch,
        before: &str,
        name: &str,
        exists: bool,
    ) -> Result<Option<i32>, String> {
        let creates_again = patch.creates() && exists && !before.is_empty();
        if !creates_again {
            let fits = patch.hunks.first().is_some_and(|it| apply::fits(before, it, self.fuzz));
            if fits || patch.creates() {
                return Ok(None);
            }
            let mut other = patch.clone();
            other.reverse();
            let fits_reversed = other.hunks.first().is_some_and(|it| apply::fits(before, it, 0));
            if !fits_reversed {
                return Ok(None);
            }
        }
        let word = if self.parsed.has('R') { "Unreversed" } else { "Reversed" };
        let what = if creates_again {
            format!("The next patch would create the file {name},\nwhich already exists!")
        } else {
            format!("{word} (or previously applied) patch detected!")
        };
        if self.parsed.has('N') {
            println!("{what}  Skipping patch.");
        } else if self.parsed.has('f') {
            println!("{what}  Applying it anyway.");
            return Ok(None);
        } else {
            // The answers of GNU patch where nobody is there to ask.
            let question = if self.parsed.has('R') { "Ignore -R?" } else { "Assume -R?" };
            println!("{what}  {question} [n] \nApply anyway? [n] \nSkipping patch.");
        }
        let n = patch.hunks.len();
        let plural = if n == 1 { "" } else { "s" };
        if self.dry {
            println!("{n} out of {n} hunk{plural} ignored");
        } else {
            let reject = self.parsed.value('r').map_or(format!("{name}.rej"), str::to_owned);
            println!("{n} out of {n} hunk{plural} ignored -- saving rejects to file {reject}");
            let all: Vec<&Hunk> = patch.hunks.iter().collect();
            self.write(&reject, &patch.rejects(&all, self.strip))?;
        }
        Ok(Some(1))
    }

    fn finish(
        &self,
        name: &str,
        patch: &FilePatch,
        before: Option<&str>,
        result: &apply::Applied<'_>,
    ) -> Result<i32, String> {
        if !self.dry {
            let keeps = self.parsed.has('b')
                || result.is_mismatched
                    && !self.parsed.has('m')
                    && self.parsed.value('o').is_none();
            if keeps && let Some(before) = before {
                let backup = format!("{name}{}", self.parsed.value('z').unwrap_or(".orig"));
                self.write(&backup, before)?;
            }
            let target = self.parsed.value('o').unwrap_or(name);
            let is_empty = result.text.is_empty();
            let removes = is_empty && (patch.deletes() || self.parsed.has('E'));
            if removes && self.parsed.value('o').is_none() && result.rejected.is_empty() {
                if before.is_some() {
                    fs::remove_file(name)
                        .map_err(|e| format!("Can't remove file {name} : {}", reason(&e)))?;
                }
                self.remove_empty_folders(name);
            } else if result.is_changed || before.is_none() || target != name {
                self.write(target, &result.text)?;
                if let Some(mode) = patch.mode {
                    let _ = playpen_sys::chmod(Path::new(target), mode & 0o777);
                }
            }
        }
        if result.rejected.is_empty() {
            return Ok(0);
        }
        let (failed, all) = (result.rejected.len(), patch.hunks.len());
        let plural = if all == 1 { "" } else { "s" };
        if self.dry {
            println!("{failed} out of {all} hunk{plural} FAILED");
        } else {
            let reject = self.parsed.value('r').map_or(format!("{name}.rej"), str::to_owned);
            println!(
                "{failed} out of {all} hunk{plural} FAILED -- saving rejects to file {reject}"
            );
            self.write(&reject, &patch.rejects(&result.rejected, self.strip))?;
        }
        Ok(1)
    }

    fn remove_empty_folders(&self, name: &str) {
        let mut folder = Path::new(name).parent();
        while let Some(path) = folder.filter(|it| !it.as_os_str().is_empty()) {
            if fs::remove_dir(path).is_err() {
                return;
            }
            folder = path.parent();
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = Path::new(name);
        let failed = |e: io::Error| format!("Can't create file {name} : {}", reason(&e));
        if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let bytes: Vec<u8> =
            text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        fs::write(path, bytes).map_err(failed)
    }
}
