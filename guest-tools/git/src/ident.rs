//! Who commits, and when.

use git2::{Signature, Time};

use crate::date;
use crate::fail::{Outcome, fatal, plain};
use crate::place::Place;

const ASK: &str = "\n*** Please tell me who you are.\n\nRun\n\n  git config --global user.email \"you@example.com\"\n  \
git config --global user.name \"Your Name\"\n\nto set your account's default identity.\n\
Omit --global to set the identity only in this repository.\n";

fn variable(role: &str, what: &str) -> Option<String> {
    std::env::var(format!("GIT_{role}_{what}")).ok()
}

/// Name and address of a role (`AUTHOR`, `COMMITTER`): the environment, then the configuration.
pub(crate) fn who(place: &Place, role: &str) -> Outcome<(String, String)> {
    let key = role.to_ascii_lowercase();
    let setting = |what: &str| {
        place.setting(&format!("{key}.{what}")).or_else(|| place.setting(&format!("user.{what}")))
    };
    let name = variable(role, "NAME").filter(|t| !t.trim().is_empty()).or_else(|| setting("name"));
    let email = variable(role, "EMAIL")
        .or_else(|| setting("email"))
        .or_else(|| std::env::var("EMAIL").ok());
    match (name, email) {
        (Some(name), Some(email)) if !name.trim().is_empty() => Ok((clean(&name), clean(&email))),
        (_, None) => Err(plain(
            128,
            format!(
                "{} identity unknown\n{ASK}\nfatal: unable to auto-detect email address (got 'root@playpen.(none)')",
                capital(&key)
            ),
        )),
        (None, _) => Err(plain(
            128,
            format!(
                "{} identity unknown\n{ASK}\nfatal: empty ident name (for <{}>) not allowed",
                capital(&key),
                setting("email").unwrap_or_default()
            ),
        )),
        (Some(_), Some(email)) => {
            Err(fatal(format!("empty ident name (for <{email}>) not allowed")))
        }
    }
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Without what would break the header of a commit.
fn clean(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(c, '<' | '>' | '\n')).collect();
    kept.trim_matches(|c: char| c.is_ascii_whitespace() || ".,:;\"\\'".contains(c)).to_owned()
}

/// When something of a role happens: the environment, else now.
pub(crate) fn when(role: &str) -> Outcome<Time> {
    match variable(role, "DATE").filter(|text| !text.is_empty()) {
        Some(text) => {
            date::parse(&text).ok_or_else(|| fatal(format!("invalid date format: {text}")))
        }
        None => Ok(Time::new(date::now(), 0)),
    }
}

/// Both together.
pub(crate) fn signature(place: &Place, role: &str) -> Outcome<Signature<'static>> {
    let (name, email) = who(place, role)?;
    Ok(Signature::new(&name, &email, &when(role)?)?)
}

/// As the committer, or as nobody in particular: what reflogs and stashes are signed with.
pub(crate) fn committer_or_default(place: &Place) -> Signature<'static> {
    signature(place, "COMMITTER").unwrap_or_else(|_| {
        let time = when("COMMITTER").unwrap_or_else(|_| Time::new(date::now(), 0));
        Signature::new("root", "root@localhost", &time).expect("a valid signature")
    })
}
