//! `tail -f`: what uutils' `tail` does not do here, where nothing tells it that a file has changed.
//!
//! What is there is printed by the crate; then the files are looked at again and again.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

/// How often files are looked at. GNU's second is long for a command that ends soon anyway.
const PAUSE: Duration = Duration::from_millis(50);

/// What following needs to know of the command line.
#[derive(Default)]
struct Follow {
    is_wanted: bool,
    /// A process, after whose end nothing is followed.
    pid: Option<i32>,
    is_quiet: bool,
    is_verbose: bool,
    /// The command line without what is about following.
    rest: Vec<OsString>,
    files: Vec<String>,
}

/// A file with how much of it was printed.
struct Followed {
    name: String,
    shown: u64,
}

/// Runs `tail` by `plain`, and goes on if asked to.
pub(crate) fn main(args: Vec<OsString>, plain: fn(Vec<OsString>) -> i32) -> i32 {
    let follow = Follow::read(&args);
    if !follow.is_wanted {
        return plain(args);
    }
    let sizes = |name: &String| std::fs::metadata(name).map_or(0, |metadata| metadata.len());
    let followed: Vec<Followed> = follow
        .files
        .iter()
        .filter(|name| *name != "-")
        .map(|name| Followed { name: name.clone(), shown: sizes(name) })
        .collect();
    let code = plain(follow.rest.clone());
    if followed.is_empty() {
        return code;
    }
    let has_heads = (followed.len() > 1 || follow.is_verbose) && !follow.is_quiet;
    watch(followed, follow.pid, has_heads)
}

/// Prints what is added, until the process that is waited for has ended.
fn watch(mut followed: Vec<Followed>, pid: Option<i32>, has_heads: bool) -> i32 {
    let mut last = followed.len() - 1;
    loop {
        let is_over = pid.is_some_and(|pid| playpen_sys::kill(pid, 0).is_err());
        for (i, file) in followed.iter_mut().enumerate() {
            let new = file.news();
            if new.is_empty() {
                continue;
            }
            let mut out = std::io::stdout().lock();
            if has_heads && last != i {
                let _ = write!(out, "\n==> {} <==\n", file.name);
            }
            last = i;
            if out.write_all(&new).and_then(|()| out.flush()).is_err() {
                return 1;
            }
        }
        if is_over {
            return 0;
        }
        std::thread::sleep(PAUSE);
    }
}

impl Followed {
    /// What the file has that was not printed.
    fn news(&mut self) -> Vec<u8> {
        let mut new = vec![];
        let Ok(mut file) = File::open(&self.name) else { return new };
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        if size < self.shown {
            eprintln!("tail: {}: file truncated", self.name);
            self.shown = 0;
        }
        if size > self.shown && file.seek(SeekFrom::Start(self.shown)).is_ok() {
            let _ = file.read_to_end(&mut new);
            self.shown += new.len() as u64;
        }
        new
    }
}

impl Follow {
    fn read(args: &[OsString]) -> Self {
        let mut found = Self { rest: args.iter().take(1).cloned().collect(), ..Self::default() };
        let mut words = args.iter().skip(1);
        while let Some(word) = words.next() {
            let text = word.to_string_lossy().into_owned();
            match text.as_str() {
                "--" => {
                    found.rest.push(word.clone());
                    let files: Vec<OsString> = words.by_ref().cloned().collect();
                    found.files.extend(files.iter().map(|it| it.to_string_lossy().into_owned()));
                    found.rest.extend(files);
                }
                "--retry" => {}
                "--follow" | "--follow=name" | "--follow=descriptor" => found.is_wanted = true,
                "--pid" => found.pid = words.next().and_then(|it| it.to_str()?.parse().ok()),
                "--sleep-interval" | "--max-unchanged-stats" => drop(words.next()),
                "--lines" | "--bytes" => {
                    found.rest.push(word.clone());
                    found.rest.extend(words.next().cloned());
                }
                _ if text.starts_with("--pid=") => found.pid = text[6..].parse().ok(),
                _ if text.starts_with("--sleep-interval=") => {}
                _ if text.starts_with("--") => {
                    found.is_quiet |= text == "--quiet" || text == "--silent";
                    found.is_verbose |= text == "--verbose";
                    found.rest.push(word.clone());
                }
                _ if text.len() > 1 && text.starts_with('-') => {
                    found.letters(&text[1..], &mut words);
                }
                _ => {
                    found.rest.push(word.clone());
                    found.files.push(text);
                }
            }
        }
        found
    }

    /// A word of short options; `-5f` is one as well.
    fn letters<'a>(&mut self, letters: &str, words: &mut impl Iterator<Item = &'a OsString>) {
        let mut kept = String::from("-");
        for (at, letter) in letters.char_indices() {
            match letter {
                'f' => self.is_wanted = true,
                'F' => self.is_wanted = true,
                's' => {
                    if letters.len() == at + 1 {
                        words.next();
                    }
                    break;
                }
                'n' | 'c' => {
                    kept.push_str(&letters[at..]);
                    self.rest.push(kept.into());
                    if letters.len() == at + 1 {
                        self.rest.extend(words.next().cloned());
                    }
                    return;
                }
                other => {
                    self.is_quiet |= other == 'q';
                    self.is_verbose |= other == 'v';
                    kept.push(other);
                }
            }
        }
        if kept.len() > 1 {
            self.rest.push(kept.into());
        }
    }
}
