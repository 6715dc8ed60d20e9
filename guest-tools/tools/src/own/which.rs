//! `which [-a] [-s] NAME...`.

use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let all = call.args.iter().any(|it| it.starts_with('-') && it.contains('a'));
    let silent = call.args.iter().any(|it| it.starts_with('-') && it.contains('s'));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut code = 0;
    for name in call.args.iter().filter(|it| !it.starts_with('-')) {
        let folders: Vec<&str> =
            if name.contains('/') { vec![""] } else { path.split(':').collect() };
        let found: Vec<_> = folders
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .filter(|it| it.is_file() && playpen_sys::executable(it))
            .collect();
        if found.is_empty() {
            code = 1;
        }
        if !silent {
            let n_shown = if all { found.len() } else { 1 };
            found.iter().take(n_shown).for_each(|it| println!("{}", it.display()));
        }
    }
    Ok(code)
}
