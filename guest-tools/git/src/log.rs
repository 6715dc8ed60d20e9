//! `git log` and `git show`.

use git2::{Commit, Error, ObjectType, Sort, Time};

use crate::diff;
use crate::place::{Args, Place, short};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

pub(crate) fn log(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let (before, after) = args.split();
    let mut walk = place.repo.revwalk()?;
    walk.set_sorting(Sort::TIME | Sort::TOPOLOGICAL)?;
    let (mut pushed, mut paths) = (false, after.unwrap_or_default());
    let mut words = before.into_iter();
    while let Some(word) = words.next() {
        if matches!(word, "-n" | "--max-count" | "--format" | "--author" | "--grep") {
            words.next();
        } else if word == "--all" {
            walk.push_glob("refs/heads/*")?;
            pushed = true;
        } else if word.contains("..") {
            walk.push_range(word)?;
            pushed = true;
        } else if !word.starts_with('-') {
            match place.repo.revparse_single(word) {
                Ok(object) => {
                    walk.push(object.peel_to_commit()?.id())?;
                    pushed = true;
                }
                Err(_) => paths.push(word),
            }
        }
    }
    if !pushed {
        let Some(head) = place.head() else {
            let branch = place.branch().unwrap_or_default();
            return Err(Error::from_str(&format!(
                "your current branch '{branch}' does not have any commits yet"
            )));
        };
        walk.push(head.id())?;
    }
    let specs = place.specs(&paths);
    let mut left = limit(args);
    let mut first = true;
    for id in walk {
        if left == 0 {
            break;
        }
        let commit = place.repo.find_commit(id?)?;
        if specs.is_empty() || touches(place, &commit, &specs)? {
            print(
                place,
                &commit,
                args,
                &mut first,
                args.has(&["-p", "-u", "--patch", "--stat", "--name-only", "--name-status"]),
            )?;
            left -= 1;
        }
    }
    Ok(0)
}

pub(crate) fn show(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let mut names = args.operands(&["--format"]);
    if names.is_empty() {
        names.push("HEAD");
    }
    let mut first = true;
    for name in names {
        // `revision:path`, where the path may start with ./
        let object = place.resolve(&name.replacen(":./", ":", 1))?;
        match object.kind() {
            Some(ObjectType::Blob) => {
                let blob = object.peel_to_blob()?;
                let _ = std::io::Write::write_all(&mut std::io::stdout(), blob.content());
            }
            Some(ObjectType::Tree) => {
                println!("tree {name}\n");
                for entry in &object.peel_to_tree()? {
                    let slash = if entry.kind() == Some(ObjectType::Tree) { "/" } else { "" };
                    println!("{}{slash}", String::from_utf8_lossy(entry.name_bytes()));
                }
            }
            _ => print(
                place,
                &object.peel_to_commit()?,
                args,
                &mut first,
                !args.has(&["-s", "--no-patch"]),
            )?,
        }
    }
    Ok(0)
}

/// `-5`, `-n 5`, `-n5`, `--max-count=5`.
fn limit(args: &Args) -> usize {
    let number = |word: &String| word.strip_prefix('-').and_then(|n| n.parse().ok());
    let named = args.value(&["-n", "--max-count"]).and_then(|n| n.parse().ok());
    named.or_else(|| args.words().iter().find_map(number)).unwrap_or(usize::MAX)
}

fn touches(place: &Place, commit: &Commit<'_>, specs: &[String]) -> Result<bool, Error> {
    let mut options = git2::DiffOptions::new();
    for spec in specs {
        options.pathspec(spec);
    }
    let parent = commit.parents().next().map(|p| p.tree()).transpose()?;
    let diff =
        place.repo.diff_tree_to_tree(parent.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
    Ok(diff.deltas().len() > 0)
}

fn print(
    place: &Place,
    commit: &Commit<'_>,
    args: &Args,
    first: &mut bool,
    patch: bool,
) -> Result<(), Error> {
    let format = args.value(&["--format", "--pretty"]).unwrap_or_default();
    let custom = format
        .strip_prefix("format:")
        .or_else(|| format.strip_prefix("tformat:"))
        .unwrap_or(format);
    if args.has(&["--oneline"]) || format == "oneline" {
        println!("{} {}", short(commit.id()), summary(commit));
    } else if custom.contains('%') {
        println!("{}", expand(custom, commit));
    } else {
        if !std::mem::take(first) {
            println!();
        }
        println!("commit {}", commit.id());
        if commit.parent_count() > 1 {
            let parents: Vec<_> = commit.parent_ids().map(short).collect();
            println!("Merge: {}", parents.join(" "));
        }
        println!("Author: {}\nDate:   {}\n", commit.author(), date(commit.author().when()));
        String::from_utf8_lossy(commit.message_bytes())
            .trim_end()
            .lines()
            .for_each(|line| println!("    {line}"));
    }
    if patch {
        println!();
        let parent = commit.parents().next().map(|p| p.tree()).transpose()?;
        diff::print(
            &place.repo.diff_tree_to_tree(parent.as_ref(), Some(&commit.tree()?), None)?,
            args,
        )?;
    }
    Ok(())
}

fn summary(commit: &Commit<'_>) -> String {
    commit.summary_bytes().map(|s| String::from_utf8_lossy(s).into_owned()).unwrap_or_default()
}

/// The placeholders that scripts use.
fn expand(format: &str, commit: &Commit<'_>) -> String {
    let author = commit.author();
    let name = String::from_utf8_lossy(author.name_bytes()).into_owned();
    let email = String::from_utf8_lossy(author.email_bytes()).into_owned();
    let parents: Vec<String> = commit.parent_ids().map(|id| id.to_string()).collect();
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let body = message.split_once("\n\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    let values = [
        ("%H", commit.id().to_string()),
        ("%h", short(commit.id())),
        ("%T", commit.tree_id().to_string()),
        ("%P", parents.join(" ")),
        ("%an", name),
        ("%ae", email),
        ("%ad", date(author.when())),
        ("%at", author.when().seconds().to_string()),
        ("%ct", commit.time().seconds().to_string()),
        ("%s", summary(commit)),
        ("%b", body),
        ("%B", message),
        ("%n", "\n".to_owned()),
        ("%%", "%".to_owned()),
    ];
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        rest = &rest[at..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                out += value;
                rest = &rest[name.len()..];
            }
            None => {
                out.push('%');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// `Sat Nov 22 08:24:46 2025 +0000`, after Howard Hinnant's days-to-civil algorithm.
fn date(time: Time) -> String {
    let seconds = time.seconds() + i64::from(time.offset_minutes()) * 60;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let offset = time.offset_minutes();
    format!(
        "{} {} {day} {:02}:{:02}:{:02} {year} {}{:02}{:02}",
        DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)],
        MONTHS[usize::try_from(month - 1).unwrap_or(0)],
        second / 3_600,
        second / 60 % 60,
        second % 60,
        if offset < 0 { '-' } else { '+' },
        offset.abs() / 60,
        offset.abs() % 60,
    )
}
