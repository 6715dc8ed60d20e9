//! Random calls of preview 1 on files, by one guest in a sandbox and on wasmtime-wasi over a real
//! folder: the same errors, the same bytes, the same files afterwards.
//!
//! What hosts may do otherwise is not reported: rights, sizes and link counts of directories, and which
//! of two wrong names is told (a comparison with `std::fs` in the file system's own tests has that).

#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

use crate::support::World;
use playpen_runtime::{EntryKind, TreeEntry};
use proptest::prelude::*;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};
use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::{
    FsPerms, WasiCtxBuilder,
    p1::{WasiP1Ctx, add_to_linker_async},
    p2::pipe::MemoryOutputPipe,
};

/// Descriptors that a guest takes turns with.
const N_SLOTS: usize = 3;

/// A descriptor that is not open.
const NONE: u32 = 999;

/// Where things are in the guest's memory: a pair of pointer and length, the number of bytes moved,
/// what calls tell, a buffer, texts, and what is reported.
const IOV: u32 = 16;
const MOVED: u32 = 24;
const TOLD: u32 = 32;
const BUFFER: u32 = 256;
const TEXTS: u32 = 4096;
const REPORT: u32 = 1 << 16;

/// Bytes of the buffer.
const BUFFER_BYTES: u32 = 512;

#[derive(Clone, Debug)]
enum Step {
    Open { slot: usize, path: String, follow: bool, oflags: u32, rights: u64, fdflags: u32 },
    Close(usize),
    Write(usize, Vec<u8>),
    WriteAt(usize, u64, Vec<u8>),
    Read(usize, u32),
    ReadAt(usize, u64, u32),
    Seek(usize, i64, u32),
    Tell(usize),
    SetSize(usize, u64),
    StatOpen(usize),
    Flags(usize),
    Sync(usize),
    Stat(String, bool),
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String, u32),
}

/// Paths of few names, so that steps meet.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..4).prop_map(|names| format!("workspace/{}", names.join("/")))
}

fn open() -> impl Strategy<Value = Step> {
    // CREAT, DIRECTORY, EXCL and TRUNC are 1, 2, 4 and 8; FD_READ and FD_WRITE 2 and 64. What creates
    // or truncates also writes: without that, it is the Rust library that refuses.
    let how = prop_oneof![
        4 => prop_oneof![Just((0_u32, 2_u64)), Just((0, 64)), Just((0, 66))],
        1 => prop_oneof![Just((2, 2)), Just((3, 66))],
        6 => (prop_oneof![Just(1), Just(5), Just(8), Just(9)], prop_oneof![Just(64), Just(66)]),
    ];
    let fdflags = prop_oneof![4 => Just(0_u32), 1 => Just(1)];
    (0..N_SLOTS, path(), any::<bool>(), how, fdflags).prop_map(
        |(slot, path, follow, (oflags, rights), fdflags)| Step::Open {
            slot,
            path,
            follow,
            oflags,
            rights,
            fdflags,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop::collection::vec("[abc]", 1..3).prop_map(|names| names.join("/"));
    let data = || prop::collection::vec(any::<u8>(), 0..40);
    let offset = || prop_oneof![4 => 0_u64..100, 1 => 65_000_u64..70_000];
    let slot = || 0..N_SLOTS;
    prop_oneof![
        10 => open(),
        1 => slot().prop_map(Step::Close),
        4 => (slot(), data()).prop_map(|(slot, data)| Step::Write(slot, data)),
        2 => (slot(), offset(), data()).prop_map(|(slot, at, data)| Step::WriteAt(slot, at, data)),
        2 => (slot(), 0..BUFFER_BYTES).prop_map(|(slot, len)| Step::Read(slot, len)),
        2 => (slot(), offset(), 0..BUFFER_BYTES).prop_map(|(slot, at, len)| Step::ReadAt(slot, at, len)),
        2 => (slot(), -50_i64..100, 0_u32..3).prop_map(|(slot, by, whence)| Step::Seek(slot, by, whence)),
        1 => slot().prop_map(Step::Tell),
        1 => (slot(), offset()).prop_map(|(slot, len)| Step::SetSize(slot, len)),
        2 => slot().prop_map(Step::StatOpen),
        1 => slot().prop_map(Step::Flags),
        1 => slot().prop_map(Step::Sync),
        2 => (path(), any::<bool>()).prop_map(|(path, follow)| Step::Stat(path, follow)),
        4 => path().prop_map(Step::Mkdir),
        1 => path().prop_map(Step::Rmdir),
        2 => path().prop_map(Step::Unlink),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
        2 => (target, path()).prop_map(|(target, path)| Step::Symlink(target, path)),
        1 => (path(), 0_u32..8).prop_map(|(path, room)| Step::Readlink(path, room)),
    ]
}

const HEAD: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $write_at (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $read_at (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_tell" (func $tell (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $sync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat_open (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink"
    (func $readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 8)"#;

/// Reporting: an errno, a number, bytes, and what `stat` says of what is no directory.
const REPORTING: &str = r"
  (global $end (mut i32) (i32.const 65536))
  (func $errno (param $e i32)
    (i32.store8 (global.get $end) (local.get $e))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  (func $fd_errno (param $e i32)
    (call $errno (select (i32.const 8) (local.get $e) (i32.eq (local.get $e) (i32.const 31)))))
  ;; What else can be done with an open directory, and how that fails, is each host's own.
  (func $is_no_directory (param $fd i32) (result i32)
    (i32.store8 (i32.const 48) (i32.const 0))
    (drop (call $stat_open (local.get $fd) (i32.const 32)))
    (i32.ne (i32.load8_u (i32.const 48)) (i32.const 3)))
  (func $number (param $n i64)
    (i64.store (global.get $end) (local.get $n))
    (global.set $end (i32.add (global.get $end) (i32.const 8))))
  (func $bytes (param $at i32) (param $len i32)
    (memory.copy (global.get $end) (local.get $at) (local.get $len))
    (global.set $end (i32.add (global.get $end) (local.get $len))))
  (func $said_stat (param $e i32)
    (call $errno (local.get $e))
    (if (i32.eqz (local.get $e)) (then
      (call $errno (i32.load8_u (i32.const 48)))
      (if (i32.ne (i32.load8_u (i32.const 48)) (i32.const 3)) (then
        (call $number (i64.load (i32.const 56)))
        (call $number (i64.load (i32.const 64))))))))";

/// A guest under construction.
#[derive(Default)]
struct Guest {
    texts: Vec<u8>,
    body: String,
}

impl Guest {
    /// Puts bytes into the memory; returns where they are and how many, as operands.
    fn text(&mut self, bytes: &[u8]) -> String {
        let at = TEXTS + u32::try_from(self.texts.len()).unwrap();
        self.texts.extend_from_slice(bytes);
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }

    fn path(&mut self, path: &str) -> String {
        format!("(i32.const 3) {}", self.text(path.as_bytes()))
    }

    fn call(&mut self, call: &str) {
        writeln!(self.body, "(call $errno (call {call}))").unwrap();
    }

    /// The same for a call on a descriptor; reading a directory is `EISDIR` for some, `EBADF` for others.
    fn call_open(&mut self, call: &str) {
        writeln!(self.body, "(call $fd_errno (call {call}))").unwrap();
    }

    /// The same for a call with two names, of which only the success is reported.
    fn call_two(&mut self, call: &str) {
        writeln!(self.body, "(call $errno (i32.ne (call {call}) (i32.const 0)))").unwrap();
    }

    /// Points the pair at bytes, of which none were moved yet.
    fn pair(&mut self, operands: &str) {
        let (at, len) = operands.split_once(") ").unwrap();
        writeln!(
            self.body,
            "(i32.store (i32.const {MOVED}) (i32.const 0))
             (i32.store (i32.const {IOV}) {at})) (i32.store (i32.const {}) {len})",
            IOV + 4
        )
        .unwrap();
    }

    fn report_moved(&mut self) {
        writeln!(self.body, "(call $number (i64.load32_u (i32.const {MOVED})))").unwrap();
    }

    fn report_read(&mut self) {
        self.report_moved();
        writeln!(self.body, "(call $bytes (i32.const {BUFFER}) (i32.load (i32.const {MOVED})))")
            .unwrap();
    }

    fn add(&mut self, step: &Step) {
        let fd = |slot: usize| format!("(i32.load (i32.const {}))", 4 * slot);
        match step {
            Step::Open { slot, path, follow, oflags, rights, fdflags } => {
                let (path, out) = (self.text(path.as_bytes()), 4 * slot);
                self.call(&format!(
                    "$open (i32.const 3) (i32.const {}) {path} (i32.const {oflags}) (i64.const {rights})
                       (i64.const 0) (i32.const {fdflags}) (i32.const {out})",
                    u32::from(*follow)
                ));
            }
            Step::Close(slot) => {
                self.call_open(&format!("$close {}", fd(*slot)));
                // Which number the next file gets is each host's own.
                writeln!(self.body, "(i32.store (i32.const {}) (i32.const {NONE}))", 4 * slot)
                    .unwrap();
            }
            Step::Write(slot, data) => {
                let data = self.text(data);
                self.pair(&data);
                let pair = format!("(i32.const {IOV}) (i32.const 1)");
                self.call_open(&format!("$write {} {pair} (i32.const {MOVED})", fd(*slot)));
                self.report_moved();
            }
            Step::WriteAt(slot, at, data) => {
                let data = self.text(data);
                self.pair(&data);
                let pair = format!("(i32.const {IOV}) (i32.const 1) (i64.const {at})");
                self.call_open(&format!("$write_at {} {pair} (i32.const {MOVED})", fd(*slot)));
                self.report_moved();
            }
            Step::Read(slot, len) => {
                self.pair(&format!("(i32.const {BUFFER}) (i32.const {len})"));
                let pair = format!("(i32.const {IOV}) (i32.const 1)");
                self.call_open(&format!("$read {} {pair} (i32.const {MOVED})", fd(*slot)));
                self.report_read();
            }
            Step::ReadAt(slot, at, len) => {
                self.pair(&format!("(i32.const {BUFFER}) (i32.const {len})"));
                let pair = format!("(i32.const {IOV}) (i32.const 1) (i64.const {at})");
                self.call_open(&format!("$read_at {} {pair} (i32.const {MOVED})", fd(*slot)));
                self.report_read();
            }
            Step::Seek(slot, by, whence) => {
                let fd = fd(*slot);
                let call =
                    format!("$seek {fd} (i64.const {by}) (i32.const {whence}) (i32.const {TOLD})");
                self.unless_directory(&fd, |guest| guest.call_open(&call));
                self.tell(&fd);
            }
            Step::Tell(slot) => self.tell(&fd(*slot)),
            Step::SetSize(slot, len) => {
                let fd = fd(*slot);
                let call = format!("$set_size {fd} (i64.const {len})");
                self.unless_directory(&fd, |guest| guest.call_open(&call));
            }
            Step::StatOpen(slot) => {
                let call = format!("$stat_open {} (i32.const {TOLD})", fd(*slot));
                writeln!(self.body, "(call $said_stat (call {call}))").unwrap();
            }
            Step::Flags(slot) => {
                self.call_open(&format!("$flags {} (i32.const {TOLD})", fd(*slot)));
            }
            Step::Sync(slot) => {
                let fd = fd(*slot);
                self.unless_directory(&fd, |guest| guest.call_open(&format!("$sync {fd}")));
            }
            _ => self.add_on_path(step),
        }
    }

    fn add_on_path(&mut self, step: &Step) {
        match step {
            Step::Stat(path, follow) => {
                let path = self.text(path.as_bytes());
                let call = format!(
                    "$stat (i32.const 3) (i32.const {}) {path} (i32.const {TOLD})",
                    u32::from(*follow)
                );
                writeln!(self.body, "(call $said_stat (call {call}))").unwrap();
            }
            Step::Mkdir(path) => {
                let path = self.path(path);
                self.call(&format!("$mkdir {path}"));
            }
            Step::Rmdir(path) => {
                let path = self.path(path);
                self.call(&format!("$rmdir {path}"));
            }
            Step::Unlink(path) => {
                let path = self.path(path);
                self.call(&format!("$unlink {path}"));
            }
            Step::Rename(from, to) => {
                let (from, to) = (self.path(from), self.path(to));
                self.call_two(&format!("$rename {from} {to}"));
            }
            Step::Link(from, to) => {
                let (from, to) = (self.text(from.as_bytes()), self.path(to));
                self.call_two(&format!("$link (i32.const 3) (i32.const 0) {from} {to}"));
            }
            Step::Symlink(target, path) => {
                let (target, path) = (self.text(target.as_bytes()), self.path(path));
                self.call(&format!("$symlink {target} {path}"));
            }
            Step::Readlink(path, room) => {
                let path = self.path(path);
                writeln!(self.body, "(i32.store (i32.const {MOVED}) (i32.const 0))").unwrap();
                self.call(&format!(
                    "$readlink {path} (i32.const {BUFFER}) (i32.const {room}) (i32.const {MOVED})"
                ));
                self.report_read();
            }
            _ => unreachable!("the others are steps on descriptors"),
        }
    }

    fn unless_directory(&mut self, fd: &str, then: impl FnOnce(&mut Self)) {
        writeln!(self.body, "(if (call $is_no_directory {fd}) (then").unwrap();
        then(self);
        self.body.push_str("))\n");
    }

    fn tell(&mut self, fd: &str) {
        self.unless_directory(fd, |guest| {
            writeln!(guest.body, "(i64.store (i32.const {TOLD}) (i64.const 0))").unwrap();
            guest.call_open(&format!("$tell {fd} (i32.const {TOLD})"));
            writeln!(guest.body, "(call $number (i64.load (i32.const {TOLD})))").unwrap();
        });
    }

    /// Returns the whole guest, which writes its report to standard output.
    fn finish(self) -> String {
        let escape = |text: String, byte: &u8| text + &format!("\\{byte:02x}");
        let texts = self.texts.iter().fold(String::new(), escape);
        let none = NONE.to_le_bytes().iter().fold(String::new(), escape);
        let slots = none.repeat(N_SLOTS);
        format!(
            "(module {HEAD} (data (i32.const 0) \"{slots}\") (data (i32.const {TEXTS}) \"{texts}\") {REPORTING}
             (func (export \"_start\") {}
               (i32.store (i32.const {IOV}) (i32.const {REPORT}))
               (i32.store (i32.const {len}) (i32.sub (global.get $end) (i32.const {REPORT})))
               (drop (call $write (i32.const 1) (i32.const {IOV}) (i32.const 1) (i32.const {MOVED})))))",
            self.body,
            len = IOV + 4,
        )
    }
}

/// What is in a folder, by path: `None` for a directory, the target of a link, the bytes of a file.
type Files = BTreeMap<String, Option<Vec<u8>>>;

async fn natively(module: &str, folder: &Path) -> (Vec<u8>, Files) {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker_async(&mut linker, |context: &mut WasiP1Ctx| context).unwrap();
    let out = MemoryOutputPipe::new(1 << 20);
    let context = WasiCtxBuilder::new()
        .stdout(out.clone())
        .preopened_dir(folder, "/", FsPerms::ReadWrite)
        .unwrap()
        .build_p1();
    let mut store = Store::new(&engine, context);
    let module = Module::new(&engine, wat::parse_str(module).unwrap()).unwrap();
    let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap();
    start.call_async(&mut store, ()).await.unwrap();
    let mut files = Files::new();
    read_folder(&folder.join("workspace"), "", &mut files);
    (out.contents().to_vec(), files)
}

fn read_folder(folder: &Path, under: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{under}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        let content = if kind.is_dir() {
            read_folder(&entry.path(), &format!("{name}/"), files);
            None
        } else if kind.is_symlink() {
            Some(std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes())
        } else {
            Some(bytes_of(&entry.path()))
        };
        files.insert(name, content);
    }
}

fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = vec![];
    std::io::Read::read_to_end(&mut std::fs::File::open(path).unwrap(), &mut bytes).unwrap();
    bytes
}

fn in_a_sandbox(module: &str) -> (Vec<u8>, Files) {
    let mut world = World::of(module);
    world.limits.descriptors = 1000;
    let ran = world.run();
    assert_eq!(ran.exit(), "exit code 0");
    let tree = ran.tree;
    let content = |entry: &TreeEntry| match entry.kind {
        EntryKind::Dir => None,
        EntryKind::Symlink => entry.target.clone().map(String::into_bytes),
        EntryKind::File => Some(tree.read(&entry.path).unwrap().to_vec()),
    };
    let files = tree.walk().iter().map(|entry| (entry.path.clone(), content(entry))).collect();
    (ran.outcome.stdout.to_vec(), files)
}

fn compare(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut guest = Guest::default();
    for step in steps {
        guest.add(step);
    }
    let module = guest.finish();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("workspace")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let expected = runtime.block_on(natively(&module, folder.path()));
    let found = in_a_sandbox(&module);
    prop_assert_eq!(found.0, expected.0, "what the calls report");
    prop_assert_eq!(found.1, expected.1, "what there is afterwards");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn calls_do_as_wasmtime_wasi_does(steps in prop::collection::vec(step(), 1..40)) {
        compare(&steps)?;
    }
}
