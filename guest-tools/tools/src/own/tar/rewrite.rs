//! `tar --delete`: the archive without some of its members.

use std::fs;
use std::io::{self, Read as _};

use tar::{Archive, Builder};

use super::{Name, Options};
use crate::own::diff::matches;
use crate::own::reason;

/// Whether everything that was to go was there.
pub(super) fn delete(options: &Options) -> Result<bool, String> {
    let Some(file) = &options.file else {
        return Err("-: Cannot delete from standard input".into());
    };
    let failed = |e: io::Error| format!("{file}: Cannot open: {}", reason(&e));
    let bytes = fs::read(file).map_err(failed)?;
    let mut wanted: Vec<(&str, bool)> = vec![];
    for name in &options.names {
        if let Name::File(name) = name {
            wanted.push((name.trim_end_matches('/'), false));
        }
    }
    let mut kept = Builder::new(vec![]);
    let broken = |e: io::Error| format!("{file}: {}", reason(&e));
    for entry in Archive::new(bytes.as_slice()).entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let bare = name.trim_end_matches('/');
        let mut goes = false;
        for (it, found) in &mut wanted {
            let below = bare.strip_prefix(*it).is_some_and(|rest| rest.starts_with('/'));
            if bare == *it || below || options.wildcards && matches(it, bare) {
                (*found, goes) = (true, true);
            }
        }
        if !goes {
            let mut data = vec![];
            entry.read_to_end(&mut data).map_err(broken)?;
            kept.append(entry.header(), data.as_slice()).map_err(broken)?;
        }
    }
    fs::write(file, kept.into_inner().map_err(broken)?).map_err(failed)?;
    let missing = wanted.iter().filter(|(_, found)| !found);
    let n = missing.map(|(name, _)| eprintln!("tar: {name}: Not found in archive")).count();
    Ok(n == 0)
}
