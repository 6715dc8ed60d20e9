//! Writing one file of a record, and reading it.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};
use tempfile::NamedTempFile;

use super::{FORMAT_VERSION, RecordError};

/// Writes a file as a whole: under a temporary name in its folder, flushed and renamed.
///
/// # Errors
///
/// Fails if the folder is not there or the disk does not take the file; there is then no file, or
/// the one that was there before.
pub fn write_file(path: &Path, data: &[u8]) -> Result<(), RecordError> {
    try_write(path, data).map_err(|source| RecordError::Write { path: path.to_owned(), source })
}

/// Writes a value as indented JSON with a newline at its end.
///
/// # Errors
///
/// Fails as [`write_file`] does.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let mut data = serde_json::to_vec_pretty(value).map_err(|error| RecordError::Write {
        path: path.to_owned(),
        source: io::Error::from(error),
    })?;
    data.push(b'\n');
    write_file(path, &data)
}

/// Reads a file that [`write_json`] wrote, unless it is of a later version of the layout.
pub(crate) fn read_json<T: DeserializeOwned>(
    path: &Path,
    version: impl Fn(&T) -> u32,
) -> Result<T, RecordError> {
    let broken = |source: io::Error| RecordError::Read { path: path.to_owned(), source };
    let text = fs_err::read(path).map_err(broken)?;
    let value = serde_json::from_slice(&text).map_err(|error| broken(error.into()))?;
    let version = version(&value);
    if version > FORMAT_VERSION {
        let message = format!("it is of version {version}, which is later");
        return Err(broken(io::Error::other(message)));
    }
    Ok(value)
}

/// Returns a value as JSON on one line, as every reader of lines takes it: Python's `splitlines` ends a line at
/// more characters than JSON escapes.
pub fn json_line(value: &impl Serialize) -> String {
    let line = serde_json::to_string(value).expect("texts and numbers are JSON");
    let ends_a_line = ['\u{85}', '\u{2028}', '\u{2029}'];
    if !line.contains(ends_a_line) {
        return line;
    }
    // They can stand in texts only, where an escape means the same.
    line.chars().fold(String::new(), |mut escaped, c| {
        if ends_a_line.contains(&c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
        escaped
    })
}

fn try_write(path: &Path, data: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(data)?;
    readable_by_all(file.as_file())?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a record the permissions of an ordinary file: a temporary one is private.
fn readable_by_all(file: &std::fs::File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{json_line, write_file, write_json};

    #[test]
    fn a_line_is_one_line_for_everybody() {
        let line = json_line(&"a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f\u{1c}g\nh\u{e9}");
        assert!(
            line.chars().all(|c| !c.is_control() && !['\u{2028}', '\u{2029}'].contains(&c)),
            "{line}"
        );
        let read: String = serde_json::from_str(&line).unwrap();
        assert_eq!(read, "a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f\u{1c}g\nh\u{e9}");
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        write_json(&dir.path().join("a.json"), &[1, 2]).unwrap();
        let names: Vec<_> = fs_err::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, ["a.json"]);
        let text = fs_err::read_to_string(dir.path().join("a.json")).unwrap();
        assert_eq!(text, "[\n  1,\n  2\n]\n");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/a.json");
        let error = write_file(&path, b"x").unwrap_err();
        assert_eq!(error.to_string(), format!("failed to write `{}`", path.display()));
    }
}
