//! `playpen-edit`: the file editor of agents. One JSON object on standard input, text on standard
//! output; a refusal goes to standard error with exit status 1.

use std::io::Read as _;
use std::path::Path;

use super::{Call, R};

/// Where earlier contents are kept for undo.
const HISTORY: &str = "/tmp/.playpen-edit";

pub(crate) fn run(_: &Call<'_>) -> R {
    let mut json = String::new();
    std::io::stdin().read_to_string(&mut json)?;
    let answer =
        serde_json::from_str(&json).map_err(|e| format!("the call is not valid: {e}")).and_then(
            |request| playpen_edit::run(&request, Path::new(HISTORY)).map_err(|e| e.to_string()),
        );
    match answer {
        Ok(text) => print!("{text}"),
        Err(message) => {
            eprintln!("{message}");
            return Ok(1);
        }
    }
    Ok(0)
}
