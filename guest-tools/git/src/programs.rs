//! Other programs: editors, hooks, commands of aliases and of `bisect run`. A shell runs them all.

use crate::fail::{Outcome, fatal, io_text};
use crate::out;
use crate::place::Place;

#[cfg(target_os = "wasi")]
use playpen_sys::Command;
#[cfg(not(target_os = "wasi"))]
use std::process::Command;

/// Runs a command of the shell with words behind it; returns its exit code.
pub(crate) fn shell(
    place: Option<&Place>,
    command: &str,
    words: &[String],
    variables: &[(&str, String)],
) -> Outcome {
    out::flush();
    let mut program = Command::new("sh");
    let text = if words.is_empty() { command.to_owned() } else { format!("{command} \"$@\"") };
    program.arg("-c").arg(text).arg(command).args(words);
    program.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let folder = match place.and_then(|place| place.tree_root.clone()) {
        Some(root) => root,
        None => std::env::current_dir()?,
    };
    program.current_dir(folder);
    let status =
        program.status().map_err(|e| fatal(format!("cannot run {command}: {}", io_text(&e))))?;
    Ok(code(status))
}

#[cfg(target_os = "wasi")]
fn code(status: playpen_sys::ExitStatus) -> i32 {
    status.shell_code().into()
}

#[cfg(not(target_os = "wasi"))]
fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(128)
}

/// Runs a hook if there is one; `false` if it says no.
pub(crate) fn hook(place: &Place, name: &str, words: &[String]) -> Outcome<bool> {
    let folder = match place.setting("core.hookspath") {
        Some(folder) => place.tree_root.clone().unwrap_or_default().join(folder),
        None => place.meta("hooks"),
    };
    let file = folder.join(name);
    if !crate::sys::find(&file).is_some_and(|meta| meta.executable) {
        return Ok(true);
    }
    let quoted = format!("'{}'", file.display().to_string().replace('\'', "'\\''"));
    let index = ("GIT_INDEX_FILE", place.meta("index").display().to_string());
    // What hooks print is for people.
    let command = if words.is_empty() {
        format!("{quoted} 1>&2")
    } else {
        format!("h() {{ {quoted} \"$@\" 1>&2; }}; h")
    };
    Ok(shell(Some(place), &command, words, &[index])? == 0)
}

/// The editor for messages, or the one for lists of commits.
pub(crate) fn editor(place: &Place, is_sequence: bool) -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let sequence = || variable("GIT_SEQUENCE_EDITOR").or_else(|| place.setting("sequence.editor"));
    is_sequence
        .then(sequence)
        .flatten()
        .or_else(|| variable("GIT_EDITOR"))
        .or_else(|| place.setting("core.editor"))
        .or_else(|| variable("VISUAL"))
        .or_else(|| variable("EDITOR"))
}

/// Lets an editor change a file.
pub(crate) fn edit(place: &Place, editor: &str, file: &std::path::Path) -> Outcome<bool> {
    if matches!(editor, ":" | "true") {
        return Ok(true);
    }
    let code = shell(Some(place), editor, &[file.display().to_string()], &[])?;
    if code != 0 {
        out::note(format!("error: there was a problem with the editor '{editor}'"));
    }
    Ok(code == 0)
}
