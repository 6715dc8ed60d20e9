//! Paths inside a sandbox, as text.

/// Returns `path` as seen from `cwd`: itself if it is absolute. No `.` or `..` is taken out, since
/// what those mean depends on symlinks.
pub(crate) fn absolute(cwd: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", cwd.trim_end_matches('/'))
    }
}
