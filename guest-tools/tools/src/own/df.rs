//! `df [-h] [-T] [-i] [FILE]...`: one file system in memory. Its limit is the sandbox's, and guests are not
//! told; what is shown is what a disk of 1 GiB that is empty would show.

use super::options::{self, Spec};
use super::{Call, R, reason};

const SPEC: Spec = Spec {
    flags: "ahHiklPTm",
    values: "Btx",
    attached: "",
    longs: &[
        ("human-readable", 'h'),
        ("si", 'H'),
        ("inodes", 'i'),
        ("print-type", 'T'),
        ("portability", 'P'),
        ("all", 'a'),
        ("local", 'l'),
        ("block-size", 'B'),
        ("output?", 'o'),
        ("total", 'c'),
        ("help", '?'),
    ],
    stops: false,
};
const KIB: u64 = 1 << 20;

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("df: {e}\nTry 'df --help' for more information.");
            return Ok(1);
        }
    };
    if parsed.has('?') {
        println!(
            "Usage: df [OPTION]... [FILE]...\nShow information about the file system.\n\n  -h  print sizes in powers of 1024\n  -T  print file system type\n  -i  list inode information"
        );
        return Ok(0);
    }
    for file in &parsed.operands {
        if let Err(e) = std::fs::metadata(file) {
            eprintln!("df: {file}: {}", reason(&e));
            return Ok(1);
        }
    }
    let kind = if parsed.has('T') { ("Type  ", "tmpfs ") } else { ("", "") };
    if parsed.has('i') {
        println!("Filesystem     {}Inodes IUsed  IFree IUse% Mounted on", kind.0);
        println!("playpen        {}262144     0 262144    0% /", kind.1);
    } else if parsed.has('h') || parsed.has('H') {
        println!("Filesystem      {}Size  Used Avail Use% Mounted on", kind.0);
        println!("playpen         {}1.0G     0  1.0G   0% /", kind.1);
    } else {
        println!("Filesystem     {}1K-blocks  Used Available Use% Mounted on", kind.0);
        println!("playpen        {}{KIB:>9}     0 {KIB:>9}   0% /", kind.1);
    }
    Ok(0)
}
