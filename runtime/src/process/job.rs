//! The process tree of one command, and the kernel that it runs on.

use super::{
    Exit, Incident, IncidentKind, Status, Turns,
    signals::{SIGCHLD, SIGINT, SIGKILL, SignalSet, Signals},
};
use crate::{
    audit::{AuditLog, Decision, EventRef, HostCalls, Op},
    clock::Clock,
    engine::Engine,
    errno::{Errno, SysResult},
    image::Programs,
    limits::{Budget, LimitKind, Limits},
    locks::Locks,
    net::Network,
    random::Randomness,
    semaphores::Semaphores,
    vfs::{Actor, Vfs},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::Notify;

/// What the processes of one sandbox share.
pub(crate) struct Kernel {
    pub(crate) engine: Engine,
    pub(crate) programs: Programs,
    pub(crate) vfs: Arc<Mutex<Vfs>>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) random: Randomness,
    pub(crate) clock: Clock,
    pub(crate) next_pid: AtomicU32,
    /// Numbers for what is open and has no inode.
    pub(crate) next_serial: AtomicU64,
    /// The names of the programs that may be started, unless all may.
    pub(crate) tools: Option<BTreeMap<String, String>>,
    /// The sockets.
    pub(crate) network: Arc<Network>,
    /// The named semaphores.
    pub(crate) semaphores: Semaphores,
    /// The locks on files.
    pub(crate) locks: Arc<Locks>,
    /// What came in at the host functions.
    pub(crate) calls: HostCalls,
}

impl Kernel {
    /// Returns a number that nothing else of the sandbox has, as inode of a pipe and the like.
    pub(crate) fn serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Relaxed)
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("programs", &self.programs).finish_non_exhaustive()
    }
}

/// Ids of a process, in the order of the extension call that asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) pgid: u32,
    pub(crate) sid: u32,
}

#[derive(Debug)]
struct Entry {
    ids: Ids,
    argv0: Arc<str>,
    signals: Arc<Signals>,
    /// The child that signals for this process are for.
    stand_in: Option<u32>,
    /// How it ended; a zombie until its parent has asked.
    end: Option<End>,
}

/// What a parent is told of a child that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: Status,
    /// What it has computed; 0 where a clock is virtual, which does not know.
    pub(crate) computed_nanos: u64,
}

/// The processes of one command.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) budget: Arc<Budget>,
    /// The tool call that the command belongs to.
    pub(crate) call: Option<Arc<str>>,
    /// Present where processes run one at a time.
    pub(crate) turns: Option<Arc<Turns>>,
    clock: Clock,
    table: Mutex<Table>,
    /// Told whenever a process ends or the job is over.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<u32, Entry>,
    incidents: Vec<Incident>,
    /// The hard limit that ended the job.
    hard: Option<LimitKind>,
    /// No process may start any more.
    is_over: bool,
    n_tasks: usize,
}

impl Table {
    /// Returns the process that gets the signals for this one. A child is younger than its parent, so this ends.
    fn receiver<'a>(&'a self, mut entry: &'a Entry) -> &'a Entry {
        let child =
            |entry: &Entry| self.entries.get(&entry.stand_in?).filter(|it| it.end.is_none());
        while let Some(next) = child(entry) {
            entry = next;
        }
        entry
    }
}

/// Incidents kept for one command; a crash loop should not fill the host's memory.
const MAX_INCIDENTS: usize = 100;

/// Which children a wait is for, as in `waitpid(2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitFor {
    Pid(u32),
    Any,
    Group(u32),
}

/// What a wait found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    Ended(u32, End),
    /// There are such children, but none has ended.
    Running,
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Pid(u32),
    Group(u32),
}

impl Job {
    pub(crate) fn new(kernel: Arc<Kernel>, limits: Limits, call: Option<Arc<str>>) -> Arc<Self> {
        let turns = kernel.clock.is_virtual().then(|| Turns::new(kernel.clock.clone()));
        Arc::new(Self {
            kernel,
            call,
            turns,
            budget: Arc::new(Budget::new(limits)),
            clock: Clock::start(),
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.clock.elapsed()
    }

    /// Enters a process into the table; `group` and `session` default to the parent's.
    pub(crate) fn enter(
        &self,
        ppid: u32,
        argv0: Arc<str>,
        own_session: bool,
        group: Option<u32>,
        ignored: SignalSet,
    ) -> SysResult<(u32, Arc<Signals>)> {
        let mut table = self.table.lock();
        if table.is_over {
            return Err(Errno::AGAIN);
        }
        if !self.budget.take_process() {
            drop(table);
            self.end(LimitKind::Processes);
            return Err(Errno::AGAIN);
        }
        let pid = self.kernel.next_pid.fetch_add(1, Relaxed);
        let parent = table.entries.get(&ppid).map(|parent| parent.ids);
        let (pgid, sid) = match (parent, own_session) {
            (Some(parent), false) => (parent.pgid, parent.sid),
            _ => (pid, pid),
        };
        let pgid = match group {
            Some(0) => pid,
            Some(group) => group,
            None => pgid,
        };
        let signals = Arc::new(Signals::new(ignored));
        let ids = Ids { pid, ppid, pgid, sid };
        let entry = Entry { ids, argv0, signals: Arc::clone(&signals), stand_in: None, end: None };
        table.entries.insert(pid, entry);
        table.n_tasks += 1;
        Ok((pid, signals))
    }

    /// Marks a process as ended: its children become nobody's, its parent may learn of it.
    pub(crate) fn leave(&self, actor: &Actor, end: End) {
        let mut table = self.table.lock();
        let pid = actor.pid;
        table.entries.retain(|_, entry| {
            if entry.ids.ppid == pid {
                entry.ids.ppid = 0;
            }
            entry.ids.ppid != 0 || entry.end.is_none() || entry.ids.pid == pid
        });
        let ppid = table.entries.get(&pid).map_or(0, |entry| entry.ids.ppid);
        let is_root = table.entries.get(&pid).is_some_and(|entry| entry.ids.ppid == ROOT_PARENT);
        if ppid == 0 && !is_root {
            table.entries.remove(&pid);
        } else if let Some(entry) = table.entries.get_mut(&pid) {
            entry.end = Some(end);
        }
        table.n_tasks -= 1;
        let parent = table.entries.get(&ppid).map(|parent| Arc::clone(&parent.signals));
        drop(table);
        if let Some(parent) = parent {
            parent.send(SIGCHLD);
        }
        self.budget.give_process();
        self.note_exit(actor, end.status);
        self.changed.notify_waiters();
    }

    fn note_exit(&self, actor: &Actor, status: Status) {
        self.kernel.calls.exit();
        if !self.kernel.audit.is_on() {
            return;
        }
        let vfs = self.kernel.vfs.lock();
        self.kernel.audit.record(&mut EventRef {
            status: Some(&status.to_string()),
            ..vfs.blank_ref(actor, Op::Exit, Decision::Allowed)
        });
    }

    /// Looks for an ended child of `parent`; its status is given once.
    pub(crate) fn try_wait(&self, parent: u32, which: WaitFor) -> SysResult<Waited> {
        let mut table = self.table.lock();
        let own_group = table.entries.get(&parent).map_or(0, |entry| entry.ids.pgid);
        let is_meant = |entry: &Entry| {
            entry.ids.ppid == parent
                && match which {
                    WaitFor::Pid(pid) => entry.ids.pid == pid,
                    WaitFor::Any => true,
                    WaitFor::Group(0) => entry.ids.pgid == own_group,
                    WaitFor::Group(group) => entry.ids.pgid == group,
                }
        };
        let mut children = table.entries.values().filter(|entry| is_meant(entry)).peekable();
        if children.peek().is_none() {
            return Err(Errno::CHILD);
        }
        let ended = children.find_map(|entry| entry.end.map(|end| (entry.ids.pid, end)));
        Ok(match ended {
            Some((pid, end)) => {
                table.entries.remove(&pid);
                Waited::Ended(pid, end)
            }
            None => Waited::Running,
        })
    }

    /// Waits until an ended child can be told of.
    pub(crate) async fn wait(&self, parent: u32, which: WaitFor) -> SysResult<(u32, End)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that an end in between is not missed.
            changed.as_mut().enable();
            if let Waited::Ended(pid, end) = self.try_wait(parent, which)? {
                return Ok((pid, end));
            }
            changed.await;
        }
    }

    /// Sends a signal, or with 0 only looks whether somebody would get it.
    pub(crate) fn kill(&self, target: Target, signal: u8) -> SysResult<()> {
        let table = self.table.lock();
        let is_meant = |entry: &&Entry| match target {
            Target::Pid(pid) => entry.ids.pid == pid,
            Target::Group(group) => entry.ids.pgid == group,
        };
        let mut found = false;
        for entry in table.entries.values().filter(is_meant) {
            found = true;
            table.receiver(entry).signals.send(signal);
        }
        if found { Ok(()) } else { Err(Errno::SRCH) }
    }

    /// Interrupts all processes but one, as a terminal does that a shell has given to another program.
    pub(crate) fn interrupt_all_but(&self, pid: u32) {
        let table = self.table.lock();
        let others = table.entries.values().filter(|it| it.ids.pid != pid && it.end.is_none());
        for entry in others {
            entry.signals.send(SIGINT);
        }
    }

    /// Passes the signals for a process on to one of its children for as long as that lives.
    pub(crate) fn stand_in(&self, pid: u32, child: u32) -> SysResult<()> {
        let mut table = self.table.lock();
        table.entries.get(&child).filter(|entry| entry.ids.ppid == pid).ok_or(Errno::CHILD)?;
        table.entries.get_mut(&pid).ok_or(Errno::SRCH)?.stand_in = Some(child);
        Ok(())
    }

    pub(crate) fn ids(&self, pid: u32) -> SysResult<Ids> {
        self.table.lock().entries.get(&pid).map(|entry| entry.ids).ok_or(Errno::SRCH)
    }

    pub(crate) fn set_group(&self, caller: u32, pid: u32, group: u32) -> SysResult<()> {
        let mut table = self.table.lock();
        let pid = if pid == 0 { caller } else { pid };
        let entry = table.entries.get_mut(&pid).ok_or(Errno::SRCH)?;
        if pid != caller && entry.ids.ppid != caller {
            return Err(Errno::SRCH);
        }
        if entry.ids.sid == pid {
            return Err(Errno::PERM);
        }
        entry.ids.pgid = if group == 0 { pid } else { group };
        Ok(())
    }

    pub(crate) fn new_session(&self, caller: u32) -> SysResult<()> {
        let mut table = self.table.lock();
        let is_leader = |entry: &Entry| entry.ids.pgid == caller;
        if table.entries.values().any(is_leader) {
            return Err(Errno::PERM);
        }
        let entry = table.entries.get_mut(&caller).ok_or(Errno::SRCH)?;
        (entry.ids.sid, entry.ids.pgid) = (caller, caller);
        Ok(())
    }

    pub(crate) fn add_incident(&self, actor: &Actor, kind: IncidentKind) {
        let mut table = self.table.lock();
        if table.incidents.len() < MAX_INCIDENTS {
            let argv0 = actor.argv0.to_string();
            table.incidents.push(Incident { pid: actor.pid, argv0, kind });
        }
    }

    /// Ends the whole tree because a hard limit was met.
    pub(crate) fn end(&self, limit: LimitKind) {
        self.table.lock().hard.get_or_insert(limit);
        self.kill_all();
    }

    fn kill_all(&self) {
        let mut table = self.table.lock();
        table.is_over = true;
        for entry in table.entries.values() {
            entry.signals.end(SIGKILL);
        }
        drop(table);
        self.changed.notify_waiters();
    }

    /// Runs the job to its end: until its first process has ended or a hard limit is met, and then
    /// until every process is gone.
    pub(crate) async fn finish(&self, root: u32) -> (Exit, Vec<Incident>) {
        let wall = self.budget.limits.wall;
        let status =
            match tokio::time::timeout(wall, self.wait(ROOT_PARENT, WaitFor::Pid(root))).await {
                Ok(Ok((_, end))) => end.status,
                Ok(Err(_)) => Status::Signal(SIGKILL),
                Err(_) => {
                    self.end(LimitKind::Wall);
                    Status::Signal(SIGKILL)
                }
            };
        self.kill_all();
        self.all_gone().await;
        let mut table = self.table.lock();
        let hard = table.hard;
        let soft = self.budget.soft_limit_met().filter(|_| status != Status::Code(0));
        let exit = hard.or(soft).map_or_else(|| Exit::of(status), Exit::Limit);
        (exit, std::mem::take(&mut table.incidents))
    }

    async fn all_gone(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.table.lock().n_tasks == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Ends everything without waiting, for a command whose future is dropped.
    pub(crate) fn abandon(&self) {
        self.kill_all();
        if let Some(turns) = &self.turns {
            turns.clear();
        }
    }

    pub(crate) fn argv0_of(&self, pid: u32) -> Option<Arc<str>> {
        self.table.lock().entries.get(&pid).map(|entry| Arc::clone(&entry.argv0))
    }
}

/// The parent of a command's first process: the host.
pub(crate) const ROOT_PARENT: u32 = u32::MAX;
