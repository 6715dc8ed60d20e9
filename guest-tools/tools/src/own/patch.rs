//! `patch`, as GNU's: unified, context and normal diffs, with offsets and fuzz, `.orig` and `.rej`.
//!
//! Ours, because the crates that apply patches want them to fit exactly.

mod apply;
mod parse;
mod reject;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};
use apply::{Answer, Applied, Fitting};
use parse::{FilePatch, Form};

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
    let job = Job::new(parsed)?;
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
        code = code.max(job.file(file)?);
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

/// What a patch says of a file that is not so: it would create one that is there.
struct Contradiction(String);

impl<'a> Job<'a> {
    fn new(parsed: &'a Parsed) -> Result<Self, String> {
        let number = |letter, what| {
            let value = parsed.value(letter);
            value
                .map(|it| it.parse::<usize>().map_err(|_| format!("{what} {it} is not a number")))
                .transpose()
        };
        Ok(Self {
            parsed,
            quiet: parsed.has('s'),
            dry: parsed.has('y'),
            strip: number('p', "strip count")?,
            fuzz: number('F', "fuzz factor")?.unwrap_or(2),
        })
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            println!("{text}");
        }
    }

    /// Patches one file; 1 if something did not fit.
    fn file(&self, mut patch: FilePatch) -> Result<i32, String> {
        if patch.indent > 0 {
            let plural = if patch.indent == 1 { "" } else { "s" };
            self.say(&format!("(Patch is indented {} space{plural}.)", patch.indent));
        }
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
        let content = match fs::read(Path::new(&name)) {
            Ok(bytes) => Some(bytes.iter().map(|c| char::from(*c)).collect::<String>()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(format!("Can't open file {name} : {}", reason(&e))),
        };
        let mut is_settled = self.parsed.has('f');
        if let Some(Contradiction(what)) = self.contradiction(&patch, &name, content.as_deref()) {
            is_settled = true;
            match self.ask(&what) {
                Answer::Skip => {
                    let n = patch.hunks.len();
                    println!("{n} out of {n} hunk{} ignored", if n == 1 { "" } else { "s" });
                    return Ok(1);
                }
                Answer::Reverse => patch.reverse(),
                Answer::Anyway => {}
            }
        }
        self.say(&self.announcement(&name));
        let result = self.applied(&mut patch, content.as_deref().unwrap_or_default(), is_settled);
        result.report.iter().for_each(|it| self.say(it));
        if content.is_none()
            && !result.rejected.is_empty()
            && self.parsed.operands.first().is_some()
        {
            return Err(format!("Can't reopen file {name} : No such file or directory"));
        }
        self.finish(&name, &patch, content.as_deref(), &result)
    }

    fn applied(&self, patch: &mut FilePatch, before: &str, is_settled: bool) -> Applied {
        let how = Fitting {
            max_fuzz: self.fuzz,
            is_loose: self.parsed.has('l'),
            creates: patch.says_absent(false) == 2,
        };
        let word =
            if self.parsed.has('R') { "Unreversed" } else { "Reversed (or previously applied)" };
        let ask = || self.ask(&format!("{word} patch detected!"));
        let asks: Option<&dyn Fn() -> Answer> = if is_settled { None } else { Some(&ask) };
        apply::apply(before, &mut patch.hunks, how, asks)
    }

    /// What a patch says of the file and is not so.
    fn contradiction(
        &self,
        patch: &FilePatch,
        name: &str,
        content: Option<&str>,
    ) -> Option<Contradiction> {
        let (is_missing, is_empty) = (content.is_none(), content.is_none_or(str::is_empty));
        let both_empty =
            is_empty && patch.says_absent(is_missing) == 1 && patch.says_absent(!is_missing) == 2;
        if both_empty || patch.says_absent(is_empty) <= u8::from(!is_empty) {
            return None;
        }
        let reversed = if self.parsed.has('R') { ", when reversed," } else { "" };
        let (verb, state) = match (is_missing, is_empty) {
            (true, _) => ("delete", "does not exist"),
            (_, true) => ("empty out", "is already empty"),
            _ => ("create", "already exists"),
        };
        Some(Contradiction(format!(
            "The next patch{reversed} would {verb} the file {name},\nwhich {state}!"
        )))
    }

    /// What is to be done about a patch that seems to be applied already: the answers of GNU patch
    /// where nobody is there to ask.
    fn ask(&self, what: &str) -> Answer {
        let is_reverse = self.parsed.has('R');
        if self.parsed.has('N') {
            println!("{what}  Skipping patch.");
            return Answer::Skip;
        }
        if self.parsed.has('f') {
            self.say(&format!("{what}  Applying it anyway."));
            return Answer::Anyway;
        }
        if self.parsed.has('t') {
            let word = if is_reverse { "Ignoring" } else { "Assuming" };
            print!("{what}");
            self.say(&format!("  {word} -R."));
            return Answer::Reverse;
        }
        let question = if is_reverse { "Ignore -R?" } else { "Assume -R?" };
        println!("{what}  {question} [n] \nApply anyway? [n] ");
        self.say("Skipping patch.");
        Answer::Skip
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
        let is_expected = patch.creates() || patch.deletes();
        if is_expected { stripped(&patch.new).or(names.first().cloned()) } else { None }
    }

    fn nothing_to_patch(&self, patch: &FilePatch) -> i32 {
        println!("can't find file to patch at input line {}", patch.line);
        if self.strip.is_none() {
            println!("Perhaps you should have used the -p or --strip option?");
        } else {
            println!("Perhaps you used the wrong -p or --strip option?");
        }
        println!("The text leading up to this was:\n--------------------------");
        patch.intro.iter().for_each(|it| println!("|{it}"));
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

    fn finish(
        &self,
        name: &str,
        patch: &FilePatch,
        before: Option<&str>,
        result: &Applied,
    ) -> Result<i32, String> {
        if !self.dry && !result.is_skipped {
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
        let word = if result.is_skipped { "ignored" } else { "FAILED" };
        let reject = self.parsed.value('r').map_or(format!("{name}.rej"), str::to_owned);
        if self.dry || reject == "-" {
            println!("{failed} out of {all} hunk{plural} {word}");
            return Ok(1);
        }
        println!("{failed} out of {all} hunk{plural} {word} -- saving rejects to file {reject}");
        let form = match self.parsed.value('j') {
            Some("context") => Form::Context,
            Some("unified") => Form::Unified,
            _ => patch.form,
        };
        self.write(&reject, &reject::text(patch, &result.rejected, form, self.strip))?;
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
