//! `git commit [-a] [--amend] [--allow-empty] [-q] -m MESSAGE...`.

use git2::{DiffStatsFormat, Error};

use crate::place::{Args, Place, short};
use crate::status;

pub(crate) fn commit(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let amend = args.has(&["--amend"]);
    let message = message(args)?;
    let head = place.head();
    let message = match (message, &head) {
        (Some(message), _) => message,
        (None, Some(head)) if amend => String::from_utf8_lossy(head.message_bytes()).into_owned(),
        _ => {
            return Err(Error::from_str("there is no editor here: give the message with -m or -F"));
        }
    };
    let mut index = place.repo.index()?;
    if args.has(&["-a", "--all", "-am", "-qam", "-aqm"]) {
        index.update_all(["*"], None)?;
        index.write()?;
    }
    let tree = place.repo.find_tree(index.write_tree()?)?;
    let unchanged = head.as_ref().map_or(index.is_empty(), |head| head.tree_id() == tree.id());
    if unchanged && !amend && !args.has(&["--allow-empty"]) {
        status::print(place, &Args::new(vec![]))?;
        return Ok(1);
    }
    let (author, committer) = (place.who("AUTHOR")?, place.who("COMMITTER")?);
    let id = match &head {
        Some(head) if amend => {
            head.amend(Some("HEAD"), None, Some(&committer), None, Some(&message), Some(&tree))?
        }
        _ => {
            let parents: Vec<_> = head.iter().collect();
            place.repo.commit(Some("HEAD"), &author, &committer, &message, &tree, &parents)?
        }
    };
    if !args.has(&["-q", "--quiet", "-qm", "-qam", "-aqm"]) {
        let before = place.repo.find_commit(id)?.parents().next().map(|p| p.tree()).transpose()?;
        let diff = place.repo.diff_tree_to_tree(before.as_ref(), Some(&tree), None)?;
        let format = DiffStatsFormat::SHORT | DiffStatsFormat::INCLUDE_SUMMARY;
        let root = if before.is_none() { " (root-commit)" } else { "" };
        let branch = place.branch().unwrap_or_else(|| "detached HEAD".to_owned());
        println!("[{branch}{root} {}] {}", short(id), message.lines().next().unwrap_or_default());
        print!("{}", String::from_utf8_lossy(&diff.stats()?.to_buf(format, 80)?));
    }
    Ok(0)
}

/// The paragraphs of all `-m`, or the file of `-F`.
fn message(args: &Args) -> Result<Option<String>, Error> {
    if let Some(file) = args.value(&["-F", "--file"]) {
        let text = if file == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(file)
        };
        return text
            .map(Some)
            .map_err(|e| Error::from_str(&format!("could not read '{file}': {e}")));
    }
    let mut paragraphs = vec![];
    let mut words = args.words().iter();
    while let Some(word) = words.next() {
        if let Some(text) = word.strip_prefix("--message=") {
            paragraphs.push(text.to_owned());
        } else if word == "--message"
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with('m'))
        {
            let text =
                words.next().ok_or_else(|| Error::from_str("switch `m' requires a value"))?;
            paragraphs.push(text.trim_end().to_owned());
        }
    }
    Ok((!paragraphs.is_empty()).then(|| paragraphs.join("\n\n") + "\n"))
}
