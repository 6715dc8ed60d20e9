//! `which NAME...`.

use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let mut code = 0;
    for n in a.iter().filter(|n| !n.starts_with('-')) {
        let path = std::env::var("PATH").unwrap_or_default();
        match path.split(':').map(|d| Path::new(d).join(n)).find(|p| p.is_file()) {
            Some(p) => println!("{}", p.display()),
            None => code = 1,
        }
    }
    Ok(code)
}
