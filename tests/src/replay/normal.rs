//! What two native runs of one command would differ in too, and which therefore does not count.
//!
//! | in | what | why |
//! |---|---|---|
//! | all output | names like `tmp.AbCdEfGhIj` | `mktemp` draws them |
//! | output of `ls -l` | blocks in use, sizes and link counts of directories, width of columns | the file system's business |
//! | output of `ls -l` | the lines of `..` and `.git` | outside the tree; the index was brought up to date |
//! | output of Python | names like `tmpab12cd34` | `tempfile` draws them |
//! | output of Python | how long tests took, and the dashes around | clocks |
//! | output of Python | addresses of objects | memory |
//! | files that such a command wrote | the same | it may be redirected output |
//! | files | the content of `.pyc` files | they hold times of their sources |

use regex::{Captures, Regex};
use std::{borrow::Cow, path::Path, sync::LazyLock};

static ANY: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    rules(&[
        (r"\btmp\.[A-Za-z0-9]{10}\b", "tmp.XXXXXXXXXX"),
        (r"(?m)^total \d+(?:\.\d+[KMG])?[KMG]?$", "total N"),
        (r"(?m)^d[rwxsStT-]{9} .* (\.\.|\.git)/?$", "$1"),
        (r"(?m)^(d[rwxsStT-]{9}) +\d+ +(\S+) +(\S+) +[\d.,KM]+ +", "$1 N $2 $3 SIZE "),
        (r"(?m)^([-l][rwxsStT-]{9}) +(\d+) +(\S+) +(\S+) +([\d.,KM]+) +", "$1 $2 $3 $4 $5 "),
    ])
});

static PYTHON: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    rules(&[
        (r"\btmp[a-z0-9_]{8}\b", "tmpXXXXXXXX"),
        (r"\b0x[0-9a-f]{5,16}\b", "0xADDRESS"),
        (r"(?m)^(Ran \d+ tests?) in \d+\.\d+s$", "$1 in TIME"),
        (r"\bin \d+\.\d+ seconds\b", "in TIME seconds"),
        (r"(?m)^\d+\.\d+s (call|setup|teardown) ", "TIME $1 "),
    ])
});

/// A last line of pytest: what is before the time, which decides how many `=` stand around it. It may be
/// quoted in the report of a test of pytest itself.
static PYTEST: LazyLock<Regex> = LazyLock::new(|| {
    let counts = r"(?:\d+ (?:passed|failed|errors?|skipped|warnings?|deselected|xfailed|xpassed)|no tests (?:ran|collected)|\d+(?:/\d+)? tests? collected)";
    Regex::new(&format!(
        r"(?m)=*( ?(?:{counts})(?:[^=\n]*)?) in \d+\.\d+s(?: \(\d+:\d+:\d+\))?( ?)=*"
    ))
    .expect("the pattern is a constant")
});

fn rules(patterns: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    let compile = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
    patterns.iter().map(|(pattern, text)| (compile(pattern), *text)).collect()
}

/// Returns output with what does not count replaced.
pub fn output(bytes: &[u8], starts_python: bool) -> Cow<'_, str> {
    let mut text = String::from_utf8_lossy(bytes);
    let mut apply = |pattern: &Regex, replacement: &str| {
        if pattern.is_match(&text) {
            text = Cow::Owned(pattern.replace_all(&text, replacement).into_owned());
        }
    };
    for (pattern, replacement) in ANY.iter() {
        apply(pattern, replacement);
    }
    if starts_python {
        for (pattern, replacement) in PYTHON.iter() {
            apply(pattern, replacement);
        }
        let summary = |found: &Captures<'_>| format!("{} in TIME", found[1].trim());
        text = Cow::Owned(PYTEST.replace_all(&text, summary).into_owned());
    }
    text
}

/// Tells whether the content of a file does not count.
pub fn is_volatile(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "pyc")
}

#[cfg(test)]
mod tests {
    use super::output;

    #[test]
    fn times_and_addresses_of_python_do_not_count() {
        for (a, b) in [
            ("=== 1 passed in 0.01s ===\n", "== 1 passed in 12.01s (0:00:12) ==\n"),
            ("E and: '=== 1 xfailed in 0.01s ==='\n", "E and: '=== 1 xfailed in 0.23s ==='\n"),
            ("1 failed, 2 passed in 0.01s\n", "1 failed, 2 passed in 0.33s\n"),
            ("<X object at 0x7f1234567890>", "<X object at 0x1234560>"),
            ("Ran 3 tests in 0.001s\n", "Ran 3 tests in 1.001s\n"),
        ] {
            assert_eq!(output(a.as_bytes(), true), output(b.as_bytes(), true));
            assert_ne!(output(a.as_bytes(), false), output(b.as_bytes(), false));
        }
    }

    #[test]
    fn of_a_long_listing_the_file_system_has_its_own_part() {
        let native = "total 8\ndrwxr-xr-x  3 root root  60 Jan  2 10:00 src\n-rw-r--r--  1 root root 120 Jan  2 10:00 a\n";
        let sandbox = "total 12\ndrwxr-xr-x 1 root root 4096 Jan  2 10:00 src\n-rw-r--r-- 1 root root  120 Jan  2 10:00 a\n";
        assert_eq!(output(native.as_bytes(), false), output(sandbox.as_bytes(), false));
        let other = sandbox.replace("120", "121");
        assert_ne!(output(native.as_bytes(), false), output(other.as_bytes(), false));
    }

    #[test]
    fn counts_of_tests_do_count() {
        let [a, b] = ["=== 1 passed in 0.01s ===\n", "=== 2 passed in 0.01s ===\n"];
        assert_ne!(output(a.as_bytes(), true), output(b.as_bytes(), true));
    }
}
