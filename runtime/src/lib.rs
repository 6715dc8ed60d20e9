//! A small Unix-like kernel for WebAssembly guests.
//!
//! Programs compiled to WASI preview 1 run as processes of a [`Sandbox`]: they start children, talk
//! through pipes, and share a file system that is a persistent tree in memory. Nothing of the host
//! is reachable that was not mounted, every access is decided and recorded in one place, and a whole
//! sandbox forks in microseconds.
//!
//! | to do this | use |
//! |---|---|
//! | set up once for a program | [`Engine`] |
//! | the programs and files that guests see | [`Image`], [`image::ImageWriter`] |
//! | a file tree, its forks and differences | [`Tree`] |
//! | what a guest may see and change | [`Mount`], [`Rule`], [`Limits`] |
//! | run something | [`Sandbox`], [`Command`], [`Outcome`] |
//! | keep snapshots on disk | [`store`] |
//! | who touched what | [`audit`] |
//!
//! This crate knows no model, no prompt and no HTTP; the network that it gives a sandbox is inside of it.

#![warn(missing_docs)]

pub mod audit;
mod clock;
mod command;
mod engine;
mod errno;
mod fd;
mod glob;
pub mod image;
mod limits;
mod locks;
mod net;
mod path;
mod preinit;
mod process;
mod random;
mod sandbox;
mod semaphores;
pub mod store;
mod tool;
mod tree;
mod vfs;
mod wasi;

pub use self::{
    command::{Command, Interrupter, Outcome, RunError},
    engine::{Engine, EngineConfig, EngineError, ModuleError, available_slots},
    errno::Errno,
    fd::{OutputSink, StdinWriter, Stream},
    glob::{GlobError, glob},
    image::{Image, ImageError},
    limits::{LimitKind, Limits, Usage},
    net::NetworkMode,
    preinit::{PreinitError, preinit},
    process::{Exit, Incident, IncidentKind, TrapKind},
    sandbox::{Sandbox, SandboxBuilder, SandboxError, Snapshot},
    tool::{HostTool, ToolCall, ToolFuture, ToolInput, ToolOutput},
    tree::{
        Change, ChangeKind, EntryKind, ExportError, ImportError, ImportOptions, Tree, TreeEntry,
        TreeError,
    },
    vfs::{Access, Answer, Explanation, Mount, MountError, Rule, RuleError},
};
