//! The guest of the bench: a loop around a few system calls, in the text format of WebAssembly.

use super::{FILE_BYTES, FOLDER, PIECE_BYTES, Work};
use crate::bench::POINT;

/// Where the number of a file stands in a path.
const DIGITS: &str = "00";

/// Addresses: a descriptor, a pair of pointer and length, the number of bytes, two paths, the data.
const FD: u32 = 8;
const IOV: u32 = 16;
const MOVED: u32 = 24;
const OUT: u32 = 64;
const PATH: u32 = 1024;
const OTHER: u32 = 2048;
const DATA: u32 = 1 << 16;

/// `oflags` of preview 1.
const CREATE_NEW: u32 = 1 | 4;
const TRUNCATE: u32 = 8;

/// Rights of preview 1.
const READ: u32 = 2;
const WRITE: u32 = 64;

const IMPORTS: &str = r#"
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 8)"#;

/// Returns the guest that does some work as often as it is to be repeated; it exits with 1 if a call
/// fails.
pub(super) fn text(work: Work) -> String {
    let folder = POINT.trim_start_matches('/');
    let path = if work.bytes().is_some() {
        format!("{folder}/bulk")
    } else {
        let letter = if matches!(work, Work::Create | Work::Mkdir) { 'n' } else { 'f' };
        format!("{folder}/{FOLDER}/{letter}{DIGITS}")
    };
    let other = path.replace("/f", "/g");
    let len = u32::try_from(path.len()).expect("a short path");
    let digits = if work.bytes().is_some() { String::new() } else { digits(len) };
    let (body, n) = (body(work, len), work.repetitions());
    let piece = if work.bytes().is_some() { PIECE_BYTES } else { FILE_BYTES };
    format!(
        r#"(module {IMPORTS}
  (data (i32.const {PATH}) "{path}") (data (i32.const {OTHER}) "{other}")
  (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (i32.const 1)))))
  (func (export "_start") (local $n i32) (local $i i32)
    (i32.store (i32.const {IOV}) (i32.const {DATA}))
    (i32.store (i32.const {iov_len}) (i32.const {piece}))
    (local.set $n (i32.const {n}))
    (loop $again {digits} {body}
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#,
        iov_len = IOV + 4,
    )
}

/// Puts the number of the file, in octal, into both paths.
fn digits(len: u32) -> String {
    let digit = |at: u32, shift: u32| {
        format!(
            "(i32.store8 (i32.const {at}) (i32.add (i32.const 48)
               (i32.and (i32.shr_u (local.get $n) (i32.const {shift})) (i32.const 7))))"
        )
    };
    [PATH, OTHER].map(|path| digit(path + len - 2, 3) + &digit(path + len - 1, 0)).concat()
}

fn body(work: Work, len: u32) -> String {
    let path = format!("(i32.const 3) (i32.const {PATH}) (i32.const {len})");
    let other = format!("(i32.const 3) (i32.const {OTHER}) (i32.const {len})");
    let call = |text: String| format!("(call $check (call {text}))");
    let open = |flags: u32, rights: u32| {
        call(format!(
            "$open (i32.const 3) (i32.const 1) (i32.const {PATH}) (i32.const {len}) (i32.const {flags})
               (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const {FD})"
        ))
    };
    let transfer = |name: &str| {
        let fd = format!("(i32.load (i32.const {FD}))");
        call(format!("${name} {fd} (i32.const {IOV}) (i32.const 1) (i32.const {MOVED})"))
    };
    let close = call(format!("$close (i32.load (i32.const {FD}))"));
    match work {
        Work::Stat => call(format!(
            "$stat (i32.const 3) (i32.const 1) (i32.const {PATH}) (i32.const {len}) (i32.const {OUT})"
        )),
        Work::Open => open(0, READ) + &close,
        Work::Create => open(CREATE_NEW, WRITE) + &close + &call(format!("$unlink {path}")),
        Work::Mkdir => call(format!("$mkdir {path}")) + &call(format!("$rmdir {path}")),
        Work::Rename => {
            call(format!("$rename {path} {other}")) + &call(format!("$rename {other} {path}"))
        }
        Work::ReadSmall => open(0, READ) + &transfer("read") + &close,
        Work::WriteSmall => open(TRUNCATE, WRITE) + &transfer("write") + &close,
        Work::ReadBulk => {
            let more = format!("(br_if $more (i32.load (i32.const {MOVED})))");
            format!("{}(loop $more {}{more}){close}", open(0, READ), transfer("read"))
        }
        Work::WriteBulk => {
            let n_pieces = super::BULK_BYTES / PIECE_BYTES;
            format!(
                "{}(local.set $i (i32.const {n_pieces}))
                 (loop $more {} (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                 {close}",
                open(TRUNCATE, WRITE),
                transfer("write")
            )
        }
    }
}
