//! The native side: bash on a copy of the tree.

use super::{Bounds, Ending, Observed, base::Base, git_state, place::Place, worktree::Worktree};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(1);

/// A native copy of a tree, and where its commands run.
#[derive(Debug)]
pub struct Native {
    place: Arc<Place>,
    tree: Worktree,
}

impl Native {
    /// Makes a copy of `base`, called `name`.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn create(place: Arc<Place>, base: Arc<Base>, name: &str) -> anyhow::Result<Self> {
        let has_git = base.has_git();
        let mut tree = Worktree::create(place.tree_folder(name), base)?;
        if has_git {
            // The index knows the inode numbers of another copy: without this, every command of git
            // would read the whole tree.
            let refresh = "git update-index -q --refresh";
            let mut child = place.bash(tree.folder(), refresh).spawn()?;
            let _is_fresh = child.wait()?;
            tree.adopt(".git/index")?;
        }
        Ok(Self { place, tree })
    }

    /// Runs a command, and brings the tree back to what it was.
    ///
    /// # Errors
    ///
    /// Fails if bash cannot be started, or the disk refuses.
    pub fn run(&mut self, command: &str, bounds: Bounds) -> anyhow::Result<Observed> {
        let started = Instant::now();
        let mut child = self.place.bash(self.tree.folder(), command).spawn()?;
        let n_bytes = Arc::new(AtomicU64::new(0));
        let stdout = read_aside(child.stdout.take(), &n_bytes, bounds.output_bytes);
        let stderr = read_aside(child.stderr.take(), &n_bytes, bounds.output_bytes);
        let ending = wait(&mut child, started, bounds, &n_bytes)?;
        if !self.place.is_isolated() {
            end_group(&child);
        }
        let (stdout, stderr) = (join(stdout), join(stderr));
        let took = started.elapsed();
        let touched = self.tree.touched()?;
        let is_about_git = touched.iter().any(|path| git_state::is_inside(path));
        let git = is_about_git.then(|| git_state::read(self.tree.folder())).transpose()?;
        let changed =
            if touched.is_empty() { BTreeMap::new() } else { self.tree.take_changes()? };
        Ok(Observed { ending, stdout, stderr, changed, git, took })
    }
}

fn wait(
    child: &mut Child,
    started: Instant,
    bounds: Bounds,
    n_bytes: &AtomicU64,
) -> io::Result<Ending> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ending::Code(code(status)));
        }
        let ending = if started.elapsed() > bounds.wall {
            Ending::Deadline
        } else if n_bytes.load(Relaxed) > bounds.output_bytes {
            Ending::Flood
        } else {
            thread::sleep(POLL);
            continue;
        };
        end_group(child);
        child.kill()?;
        child.wait()?;
        return Ok(ending);
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Ends what the command has left in the background; nothing left is no error.
fn end_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ended = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Reads up to `limit` bytes and leaves the rest.
fn read_aside(
    stream: Option<impl Read + Send + 'static>,
    n_bytes: &Arc<AtomicU64>,
    limit: u64,
) -> JoinHandle<Vec<u8>> {
    let n_bytes = Arc::clone(n_bytes);
    thread::spawn(move || {
        let (mut bytes, mut buffer) = (vec![], vec![0; 64 << 10]);
        let Some(mut stream) = stream else { return bytes };
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            if n_bytes.fetch_add(n as u64, Relaxed) > limit {
                break;
            }
            bytes.extend_from_slice(&buffer[..n]);
        }
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}
