//! `git init`, `git config`, `git rev-parse`, `git merge-base` and `git ls-files`.

use git2::{ConfigLevel, Error, Repository, RepositoryInitOptions};

use crate::place::{Args, Place, short};

pub(crate) fn init(args: &Args) -> Result<i32, Error> {
    let operands = args.operands(&["-b", "--initial-branch"]);
    let path = operands.first().copied().unwrap_or(".");
    let existed = Repository::open(path).is_ok();
    let mut options = RepositoryInitOptions::new();
    options.initial_head(args.value(&["-b", "--initial-branch"]).unwrap_or("master")).mkpath(true);
    let repo = Repository::init_opts(path, &options)?;
    if !args.has(&["-q", "--quiet"]) {
        let what = if existed { "Reinitialized existing" } else { "Initialized empty" };
        println!("{what} Git repository in {}", repo.path().display());
    }
    Ok(0)
}

/// `git config [--global] NAME [VALUE]`, `--get NAME`, `--list`, `--unset NAME`.
pub(crate) fn config(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let mut config = place.repo.config()?;
    if args.has(&["-l", "--list"]) {
        let mut entries = config.entries(None)?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            println!(
                "{}={}",
                String::from_utf8_lossy(entry.name_bytes()),
                String::from_utf8_lossy(entry.value_bytes())
            );
        }
        return Ok(0);
    }
    match args.operands(&[]).as_slice() {
        [name] if args.has(&["--unset"]) => config.remove(name).map(|()| 0),
        [name] => match config.get_string(name) {
            Ok(value) => {
                println!("{value}");
                Ok(0)
            }
            Err(_) => Ok(1),
        },
        // There is one user and one repository: --global writes where the rest is.
        [name, value, ..] => {
            config.open_level(ConfigLevel::Local)?.set_str(name, value).map(|()| 0)
        }
        [] => Err(Error::from_str("usage: git config [--global] <name> [<value>]")),
    }
}

pub(crate) fn rev_parse(place: &mut Place, args: &Args) -> Result<i32, Error> {
    for word in args.words() {
        match word.as_str() {
            "--show-toplevel" => {
                println!("{}", place.root.display().to_string().trim_end_matches('/'))
            }
            "--git-dir" => {
                println!("{}", place.repo.path().display().to_string().trim_end_matches('/'))
            }
            "--is-inside-work-tree" => println!("true"),
            "--abbrev-ref" | "--short" | "--verify" | "-q" | "--quiet" => {}
            "HEAD" if args.has(&["--abbrev-ref"]) => {
                println!("{}", place.branch().unwrap_or_else(|| "HEAD".to_owned()));
            }
            revision => {
                let id = place.resolve(revision)?.id();
                println!("{}", if args.has(&["--short"]) { short(id) } else { id.to_string() });
            }
        }
    }
    Ok(0)
}

pub(crate) fn merge_base(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let [one, two] = args.operands(&[])[..] else {
        return Err(Error::from_str("usage: git merge-base <commit> <commit>"));
    };
    let (one, two) =
        (place.resolve(one)?.peel_to_commit()?.id(), place.resolve(two)?.peel_to_commit()?.id());
    Ok(match place.repo.merge_base(one, two) {
        Ok(id) => {
            println!("{id}");
            0
        }
        Err(_) => 1,
    })
}

/// `git ls-files [PATH]...`, and `-o --exclude-standard` for what is not tracked.
pub(crate) fn ls_files(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let specs = place.specs(&args.operands(&[]));
    if args.has(&["-o", "--others"]) {
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true);
        for entry in
            place.repo.statuses(Some(&mut options))?.iter().filter(|e| e.status().is_wt_new())
        {
            println!("{}", entry.path()?);
        }
        return Ok(0);
    }
    for entry in place.repo.index()?.iter() {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let wanted =
            |spec: &String| spec == "*" || path == *spec || path.starts_with(&format!("{spec}/"));
        if specs.is_empty() || specs.iter().any(wanted) {
            println!("{path}");
        }
    }
    Ok(0)
}
