//! Threads of one process: several wasm stacks over one instance, of which one runs at a time.
//!
//! Each thread is a call into the instance on a stack of its own. Whose turn it is changes where the
//! one that runs waits in a system call, and nowhere else, so guest code that is not prepared for
//! threads (its `malloc` among it) is never interrupted half-way. What belongs to a thread and lies
//! in the instance is changed with it: the pointer to its part of the memory, and the number that
//! the guest reads as its own identity. A tick of the engine changes nothing, but where another thread
//! could go on and the one that runs has had [`TURN_TICKS`], the guest's interpreter is asked to let it,
//! by a bit that it looks at between instructions of its own.
//!
//! A program that starts no thread runs as if this were not there.

use super::{Process, signals::Signals};
use crate::{
    engine::{Engine, ThreadStack},
    errno::{Errno, SysResult},
    wasi,
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use wasmtime::{Caller, Global, Instance, Store, TypedFunc, Val};

/// Threads of one process at one time. Answers TM-MEM-3: a stack of the host for each.
const MAX_THREADS: usize = 512;

/// Changes of turn before the host's own thread is given away once.
const MAX_CHANGES: u32 = 64;

/// Ticks after which a thread that does not wait is asked to let another one go on. CPython lets a thread
/// run for 5 ms, and what it gets done in these natively takes up to twice as long here. With shorter
/// turns a hundred threads that end in the same way are all in the middle of it at the same time.
const TURN_TICKS: u32 = 10;

/// What a module that has threads exports: how one is entered, and the pointer to its memory.
const ENTRY: &str = "playpen_thread_main";
const STACK_POINTER: &str = "__stack_pointer";

/// The identity of a process's first thread.
const MAIN: u32 = 1;

/// Where a guest keeps what is changed with the thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Address of the identity of the running thread.
    pub(crate) identity: u32,
    /// Address of a pointer to the state of the thread that runs the interpreter.
    pub(crate) holder: u32,
    /// Where in that state its flags are, and the one that asks it to give way.
    pub(crate) flags: u32,
    pub(crate) give_way: u32,
}

/// A thread that a guest asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewThread {
    pub(crate) identity: u32,
    pub(crate) argument: u32,
    pub(crate) stack_pointer: u32,
}

/// What the kernel keeps of the threads of a process.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    layout: Option<Layout>,
    asked_for: Vec<(NewThread, ThreadStack)>,
    n_alive: usize,
    /// The identity of the running thread.
    running: u32,
    /// Whether the running thread waits in a system call, so that another one may go on.
    waits: bool,
    parked: VecDeque<(u32, Arc<Parked>)>,
}

/// A thread that waits for another one.
#[derive(Debug, Default)]
struct Parked {
    is_woken: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Threads {
    /// Takes note of a thread to be started when the running one next waits.
    pub(crate) fn start(
        &mut self,
        engine: &Engine,
        layout: Layout,
        new: NewThread,
    ) -> SysResult<()> {
        if self.n_alive >= MAX_THREADS {
            return Err(Errno::AGAIN);
        }
        let stack = engine.thread_stack().ok_or(Errno::AGAIN)?;
        self.n_alive += 1;
        self.layout = Some(layout);
        self.asked_for.push((new, stack));
        Ok(())
    }

    /// Wakes the thread that has waited longest at an address.
    pub(crate) fn wake(&mut self, address: u32) {
        let Some(place) = self.parked.iter().position(|(at, _)| *at == address) else { return };
        let Some((_, parked)) = self.parked.remove(place) else { return };
        parked.is_woken.store(true, Release);
        if let Some(waker) = parked.waker.lock().take() {
            waker.wake();
        }
    }

    /// Notes that the running thread waits from here on, or does not any more.
    fn set_waits(&mut self, waits: bool) {
        self.waits = waits;
    }
}

/// Waits in a system call, so that other threads may go on.
///
/// # Errors
///
/// `EINTR` if this is the first thread, and another one interrupted it or a caught signal has come.
pub(crate) async fn waiting<T>(
    caller: &mut Caller<'_, Process>,
    wait: impl Future<Output = T>,
) -> SysResult<T> {
    let signals = interruptible(caller.data());
    caller.data_mut().threads.set_waits(true);
    let mut wait = pin!(wait);
    let done = poll_fn(|cx| {
        let is_interrupted = signals.as_ref().is_some_and(|it| it.take_interruption(cx.waker()));
        match wait.as_mut().poll(cx) {
            Poll::Ready(value) => {
                // What came at the same time is for the next wait.
                if let (true, Some(signals)) = (is_interrupted, &signals) {
                    signals.interrupt();
                }
                Poll::Ready(Ok(value))
            }
            Poll::Pending if is_interrupted => Poll::Ready(Err(Errno::INTR)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    caller.data_mut().threads.set_waits(false);
    done
}

/// Returns the signals of a process whose running thread can be interrupted.
fn interruptible(process: &Process) -> Option<Arc<Signals>> {
    let Threads { n_alive, running, .. } = process.threads;
    let can_be = if n_alive > 0 { running == MAIN } else { process.signals.catches() };
    can_be.then(|| Arc::clone(&process.signals))
}

/// Why a thread does not wait at an address any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    Thread,
    Signal,
    Time,
}

/// Waits until another thread wakes this one at an address.
pub(crate) async fn park(
    caller: &mut Caller<'_, Process>,
    address: u32,
    timeout: Option<Duration>,
) -> Woken {
    let parked = Arc::new(Parked::default());
    caller.data_mut().threads.parked.push_back((address, Arc::clone(&parked)));
    let job = Arc::clone(&caller.data().job);
    let mut sleep = pin!(wasi::sleep(timeout, job.turns.as_deref()));
    let signals = interruptible(caller.data());
    caller.data_mut().threads.set_waits(true);
    let woken = poll_fn(|cx| {
        *parked.waker.lock() = Some(cx.waker().clone());
        if parked.is_woken.load(Acquire) {
            return Poll::Ready(Woken::Thread);
        }
        if signals.as_ref().is_some_and(|it| it.take_interruption(cx.waker())) {
            return Poll::Ready(Woken::Signal);
        }
        sleep.as_mut().poll(cx).map(|()| Woken::Time)
    })
    .await;
    let threads = &mut caller.data_mut().threads;
    threads.set_waits(false);
    if woken != Woken::Thread {
        threads.parked.retain(|(_, it)| !Arc::ptr_eq(it, &parked));
    }
    woken
}

/// A store that several calls are in the middle of.
#[derive(Clone, Copy)]
struct Shared(*mut Store<Process>);

#[expect(unsafe_code, reason = "the calls of one process's threads share its store in turns")]
// SAFETY: `Store<Process>` is `Send`, and all that uses the pointer is one future, `run`.
unsafe impl Send for Shared {}

impl Shared {
    /// Returns the store.
    #[expect(unsafe_code, reason = "as above")]
    fn get<'a>(self) -> &'a mut Store<Process> {
        // SAFETY: the store outlives `run`, which owns all that this is given to. One call at a time
        // is polled, and none of the others touches the store until it is polled itself; the engine
        // keeps what belongs to a suspended call with the call.
        unsafe { &mut *self.0 }
    }
}

type Call = Pin<Box<dyn Future<Output = wasmtime::Result<i32>> + Send>>;

/// A thread on its stack.
struct Thread {
    identity: u32,
    stack_pointer: Val,
    call: Call,
    /// What the call runs on, where it is not the first one of its process.
    _stack: Option<ThreadStack>,
    /// Whether it waits in a system call.
    waits: bool,
    signal: Arc<Signal>,
}

/// Tells that a thread can go on.
#[derive(Debug, Default)]
struct Signal {
    is_ready: AtomicBool,
    process: Mutex<Option<Waker>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.is_ready.store(true, Release);
        if let Some(waker) = &*self.process.lock() {
            waker.wake_by_ref();
        }
    }
}

/// The threads of a process that runs.
struct Running {
    store: Shared,
    entry: TypedFunc<u32, ()>,
    stack_pointer: Global,
    threads: Vec<Thread>,
    /// Place of the thread that was interrupted by a tick, which goes on before any other.
    interrupted: Option<usize>,
    /// Ticks since that thread last waited or let another one go on.
    n_ticks: u32,
    /// Place of the thread that ran last.
    last: usize,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("n_threads", &self.threads.len()).finish_non_exhaustive()
    }
}

/// The function that is a process: with a status, or without.
#[derive(Clone)]
pub(crate) enum Main {
    Function(TypedFunc<(), i32>),
    Start(TypedFunc<(), ()>),
}

impl Main {
    async fn call(&self, store: &mut Store<Process>) -> wasmtime::Result<i32> {
        match self {
            Self::Function(function) => function.call_async(store, ()).await,
            Self::Start(function) => function.call_async(store, ()).await.map(|()| 0),
        }
    }
}

/// Runs the function that is a process, with the threads that it starts; they end with it.
pub(crate) async fn run(
    store: &mut Store<Process>,
    instance: Instance,
    main: Main,
) -> wasmtime::Result<i32> {
    let entry = instance.get_typed_func::<u32, ()>(&mut *store, ENTRY).ok();
    let stack_pointer = instance.get_global(&mut *store, STACK_POINTER);
    let (Some(entry), Some(stack_pointer)) = (entry, stack_pointer) else {
        return main.call(store).await;
    };
    let at_start = stack_pointer.get(&mut *store);
    let store = Shared(&raw mut *store);
    let call: Call = Box::pin(async move { main.call(store.get()).await });
    let main = Thread::new(MAIN, at_start, call, None);
    let threads = vec![main];
    let mut running =
        Running { store, entry, stack_pointer, threads, interrupted: None, n_ticks: 0, last: 0 };
    poll_fn(|cx| running.poll(cx)).await
}

impl Thread {
    fn new(identity: u32, stack_pointer: Val, call: Call, stack: Option<ThreadStack>) -> Self {
        let signal = Arc::new(Signal { is_ready: AtomicBool::new(true), ..Signal::default() });
        Self { identity, stack_pointer, call, _stack: stack, waits: false, signal }
    }
}

impl Running {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<wasmtime::Result<i32>> {
        for thread in &self.threads {
            *thread.signal.process.lock() = Some(cx.waker().clone());
        }
        for _ in 0..MAX_CHANGES {
            self.add_new(cx);
            let Some(place) = self.interrupted.take().or_else(|| self.next_ready()) else {
                return Poll::Pending;
            };
            let polled = self.resume(place);
            match polled {
                Poll::Ready(Ok(code)) if self.threads[place].identity == MAIN => {
                    return Poll::Ready(Ok(code));
                }
                Poll::Ready(Ok(_)) => self.remove(place),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.threads[place].waits => {}
                Poll::Pending => {
                    self.interrupted = Some(place);
                    self.n_ticks += 1;
                    if self.n_ticks >= TURN_TICKS {
                        self.ask_to_give_way(place);
                    }
                    return Poll::Pending;
                }
            }
            self.n_ticks = 0;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Makes the threads that were asked for.
    fn add_new(&mut self, cx: &Context<'_>) {
        for (new, stack) in std::mem::take(&mut self.store.get().data_mut().threads.asked_for) {
            let (store, entry) = (self.store, self.entry.clone());
            let call: Call =
                Box::pin(
                    async move { entry.call_async(store.get(), new.argument).await.map(|()| 0) },
                );
            let stack_pointer = Val::I32(new.stack_pointer.cast_signed());
            let thread = Thread::new(new.identity, stack_pointer, call, Some(stack));
            *thread.signal.process.lock() = Some(cx.waker().clone());
            self.threads.push(thread);
        }
    }

    /// Returns the place of the next thread that can go on.
    fn next_ready(&self) -> Option<usize> {
        let n_threads = self.threads.len();
        let in_turn = (1..=n_threads).map(|n| (self.last + n) % n_threads);
        in_turn.into_iter().find(|place| self.is_ready(*place))
    }

    fn is_ready(&self, place: usize) -> bool {
        self.threads[place].signal.is_ready.load(Acquire)
    }

    /// Lets a thread go on until it waits, ends, or is interrupted.
    fn resume(&mut self, place: usize) -> Poll<wasmtime::Result<i32>> {
        let store = self.store.get();
        let thread = &mut self.threads[place];
        if let Some(layout) = store.data().threads.layout {
            if let Err(error) = self.stack_pointer.set(&mut *store, thread.stack_pointer) {
                return Poll::Ready(Err(error));
            }
            write_u32(store, layout.identity, thread.identity);
        }
        tell_of_signals(store);
        self.last = place;
        thread.signal.is_ready.swap(false, AcqRel);
        let waker = Waker::from(Arc::clone(&thread.signal));
        let threads = &mut store.data_mut().threads;
        (threads.waits, threads.running) = (thread.waits, thread.identity);
        let polled = thread.call.as_mut().poll(&mut Context::from_waker(&waker));
        thread.waits = self.store.get().data().threads.waits;
        thread.stack_pointer = self.stack_pointer.get(self.store.get());
        polled
    }

    fn remove(&mut self, place: usize) {
        self.threads.remove(place);
        self.store.get().data_mut().threads.n_alive -= 1;
        if self.last >= place {
            self.last = self.last.saturating_sub(1);
        }
    }

    /// Where another thread can go on, asks the interpreter of the guest to let it.
    fn ask_to_give_way(&self, place: usize) {
        let others = (0..self.threads.len()).filter(|other| *other != place);
        if !others.into_iter().any(|other| self.is_ready(other)) {
            return;
        }
        let store = self.store.get();
        // Where processes take turns, ticks must change nothing.
        let Some(layout) = store.data().threads.layout else { return };
        if store.data().job.turns.is_some() {
            return;
        }
        let holder = read_u32(store, layout.holder).filter(|holder| *holder != 0);
        let at = holder.and_then(|holder| holder.checked_add(layout.flags));
        if let Some((at, flags)) = at.and_then(|at| Some((at, read_u32(store, at)?))) {
            write_u32(store, at, flags | layout.give_way);
        }
    }
}

/// Where a caught signal has come, sets the bits that the guest looks at.
fn tell_of_signals(store: &mut Store<Process>) {
    if !store.data().signals.has_come() {
        return;
    }
    let Some((address, bits)) = store.data().signal_notice else { return };
    if let Some(value) = read_u32(store, address) {
        write_u32(store, address, value | bits);
    }
}

fn read_u32(store: &mut Store<Process>, address: u32) -> Option<u32> {
    let memory = store.data().memory?;
    let bytes = memory.data(&*store).get(address as usize..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

fn write_u32(store: &mut Store<Process>, address: u32, value: u32) {
    let Some(memory) = store.data().memory else { return };
    let bytes = memory.data_mut(store).get_mut(address as usize..);
    if let Some(bytes) = bytes.and_then(<[u8]>::first_chunk_mut::<4>) {
        *bytes = value.to_le_bytes();
    }
}
