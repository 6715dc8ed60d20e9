//! `git apply [--check] [--cached | --index] [-R is not here] [FILE]`.

use git2::{ApplyLocation, ApplyOptions, Diff, Error};

use crate::place::{Args, Place};

pub(crate) fn apply(place: &mut Place, args: &Args) -> Result<i32, Error> {
    if args.has(&["-R", "--reverse"]) {
        return Err(Error::from_str("--reverse is not in this git: use patch -R"));
    }
    let mut patches = vec![];
    let files = args.operands(&["-p"]);
    for file in if files.is_empty() { vec!["-"] } else { files } {
        let text = if file == "-" { read_all() } else { std::fs::read(file) };
        patches
            .push(text.map_err(|e| Error::from_str(&format!("can't open patch '{file}': {e}")))?);
    }
    let location = if args.has(&["--cached"]) {
        ApplyLocation::Index
    } else if args.has(&["--index"]) {
        ApplyLocation::Both
    } else {
        ApplyLocation::WorkDir
    };
    let mut options = ApplyOptions::new();
    options.check(args.has(&["--check"]));
    for patch in patches {
        place.repo.apply(&Diff::from_buffer(&patch)?, location, Some(&mut options))?;
    }
    Ok(0)
}

fn read_all() -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)?;
    Ok(bytes)
}
