//! `git add`, `git rm` and `git mv`.

use std::fs;
use std::path::Path;

use git2::{Error, IndexAddOption};

use crate::place::{Args, Place};

pub(crate) fn add(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let mut paths = args.operands(&[]);
    let all = args.has(&["-A", "--all"]);
    let tracked_only = args.has(&["-u", "--update"]);
    if paths.is_empty() && !all && !tracked_only {
        eprintln!("Nothing specified, nothing added.");
        return Ok(0);
    }
    if paths.is_empty() {
        paths.push(":");
    }
    let specs: Vec<String> =
        if paths == [":"] { vec!["*".to_owned()] } else { place.specs(&paths) };
    let mut index = place.repo.index()?;
    for (path, spec) in paths.iter().zip(&specs) {
        let known = index.iter().any(|entry| entry.path.starts_with(spec.as_bytes()));
        if *path != ":"
            && !path.contains('*')
            && !known
            && !place.root.join(spec).exists()
            && spec != "*"
        {
            return Err(Error::from_str(&format!("pathspec '{path}' did not match any files")));
        }
    }
    if !tracked_only {
        let option = if args.has(&["-f", "--force"]) {
            IndexAddOption::FORCE
        } else {
            IndexAddOption::DEFAULT
        };
        index.add_all(&specs, option, None)?;
    }
    index.update_all(&specs, None)?;
    index.write()?;
    Ok(0)
}

pub(crate) fn rm(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let (recursive, cached) = (args.has(&["-r", "-rf", "-fr"]), args.has(&["--cached"]));
    let mut index = place.repo.index()?;
    for path in args.operands(&[]) {
        let spec = place.relative(path);
        let inside = format!("{spec}/");
        let names: Vec<String> =
            index.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect();
        let below: Vec<&String> = names.iter().filter(|name| name.starts_with(&inside)).collect();
        if !names.contains(&spec) && below.is_empty() {
            return Err(Error::from_str(&format!("pathspec '{path}' did not match any files")));
        }
        if !below.is_empty() && !recursive {
            return Err(Error::from_str(&format!("not removing '{path}' recursively without -r")));
        }
        for name in below.into_iter().chain(names.iter().filter(|name| **name == spec)) {
            index.remove_path(Path::new(name))?;
            if !cached {
                let _ = fs::remove_file(place.root.join(name));
            }
            if !args.has(&["-q", "--quiet"]) {
                println!("rm '{name}'");
            }
        }
        if !cached && recursive {
            let _ = fs::remove_dir(place.root.join(&spec));
        }
    }
    index.write()?;
    Ok(0)
}

pub(crate) fn mv(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let operands = args.operands(&[]);
    let Some((target, sources)) = operands.split_last().filter(|(_, sources)| !sources.is_empty())
    else {
        return Err(Error::from_str("usage: git mv <source>... <destination>"));
    };
    let mut index = place.repo.index()?;
    for source in sources {
        let from = place.relative(source);
        let mut to = place.relative(target);
        if place.root.join(&to).is_dir() {
            let name = from.rsplit('/').next().unwrap_or(&from);
            to = if to.is_empty() { name.to_owned() } else { format!("{to}/{name}") };
        }
        let failed =
            |e: std::io::Error| Error::from_str(&format!("renaming '{source}' failed: {e}"));
        fs::rename(place.root.join(&from), place.root.join(&to)).map_err(failed)?;
        if place.root.join(&to).is_dir() {
            index.remove_dir(Path::new(&from), 0)?;
            index.add_all([&to], IndexAddOption::DEFAULT, None)?;
        } else {
            index.remove_path(Path::new(&from))?;
            index.add_path(Path::new(&to))?;
        }
    }
    index.write()?;
    Ok(0)
}
