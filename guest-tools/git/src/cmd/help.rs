//! `git help`, and names close to one that was mistyped.

use crate::fail::Outcome;
use crate::out::outln;

pub(crate) const USAGE: &str = "usage: git [-v | --version] [-h | --help] [-C <path>] [-c <name>=<value>]\n           \
[--git-dir=<path>] [--work-tree=<path>] [--no-pager] <command> [<args>]";

pub(crate) fn run() -> Outcome {
    outln!("{USAGE}\n\nCommands of this git:\n");
    let mut names: Vec<&str> =
        super::COMMANDS.iter().map(|c| c.0).chain(super::FREE.iter().map(|c| c.0)).collect();
    names.sort_unstable();
    for line in names.chunks(6) {
        outln!(
            "   {}",
            line.iter().map(|name| format!("{name:<14}")).collect::<String>().trim_end()
        );
    }
    Ok(0)
}

/// The hint behind the complaint about an unknown command.
pub(crate) fn similar(name: &str) -> String {
    let names = super::COMMANDS.iter().map(|c| c.0).chain(super::FREE.iter().map(|c| c.0));
    let mut close: Vec<(usize, &str)> = names.map(|known| (distance(name, known), known)).collect();
    close.sort_unstable();
    let Some(&(best, _)) = close.first().filter(|(d, known)| *d <= 2 || known.starts_with(name))
    else {
        return String::new();
    };
    let best: Vec<&str> =
        close.iter().filter(|(d, _)| *d == best).map(|(_, known)| *known).collect();
    let title = if best.len() == 1 {
        "The most similar command is"
    } else {
        "The most similar commands are"
    };
    format!("\n\n{title}\n\t{}", best.join("\n\t"))
}

/// How many letters differ.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = (before + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            before = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}
