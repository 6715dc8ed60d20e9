//! Times in what tools print: the part that differs when the same command runs again.
//!
//! The sandbox of an agent has the machine's clock, and seeds of its own for everything else. So what two
//! runs of the same command print differs in how long it took, in what the clock said, and in the names of
//! git commits, which are hashes of a time among others. Nothing else is left out.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// What stands in a text for each time.
const TIME: &str = "TIME";

/// Names of months, as `ls` and `date` write them.
const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
/// Names of days of the week.
const DAY: &str = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
/// What a clock says.
const CLOCK: &str = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?";
/// How far from Greenwich that is.
const ZONE: &str = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?";

static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        // 2026-11-23, 2026-11-23T07:44:25.123Z
        format!(r"\b\d{{4}}-\d\d-\d\d(?:[T ]{CLOCK}{ZONE}|\b)"),
        // Mon Nov 23 07:44:25 UTC 2026, Mon, 23 Nov 2026 07:44:25 +0000, Nov 23 07:44, Nov 23  2026
        format!(
            r"\b(?:{DAY},? +)?(?:{MONTH} +\d{{1,2}}|\d{{1,2}} +{MONTH}),?(?: +\d{{4}})?(?: +{CLOCK}|\b +\d{{4}}\b){ZONE}(?: +\d{{4}}\b)?{ZONE}"
        ),
        // 07:44:25
        r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b".to_owned(),
        // 0m1.250s, 1.25 s, 250ms, in 3 seconds, 12.00s (0:00:12)
        r"\b(?:\d+m\d+\.\d+s|\d+\.\d+ ?(?:s|secs?|seconds?|[mun]s|µs|[mun]sec)|\d+ ?(?:[mun]s|µs|[mun]sec))\b(?: \(\d+:\d\d:\d\d\))?"
            .to_owned(),
        r"\bin \d+ ?(?:s|secs?|seconds?)\b".to_owned(),
        // real 0.01
        r"(?m:^(?:real|user|sys)\s+[\d.]+$)".to_owned(),
        // Seconds since 1970, of the years from 2020 to 2033.
        r"\b1[6-9]\d{8}(?:\.\d+)?\b".to_owned(),
        // [main 1a2b3c4], commit 1a2b..., HEAD is now at 1a2b3c4, 1a2b3c4 What was done
        r"\[[^\s\]]+(?: \(root-commit\))? [0-9a-f]{7,40}\]".to_owned(),
        r"(?m:^(?:commit |HEAD is now at )?(?:[0-9a-f]{40}|[0-9a-f]{7,12})\b)".to_owned(),
    ];
    Regex::new(&kinds.join("|")).expect("the expression is constant")
});

/// A line of pytest or make that is filled up on both sides, so that its time moves the filling.
static FILLED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"(?m:^=+ (.*{TIME}.*?)(?: =+)?$)")).expect("the expression is constant")
});

/// Returns `text` with one word for each time.
pub(super) fn without_times(text: &str) -> String {
    let text = TIMES.replace_all(text, TIME);
    FILLED.replace_all(&text, "= $1 =").into_owned()
}

/// Returns a request, in the shape of the wire, without the times in the results of its tools.
pub(super) fn request_without_times(request: &Value) -> Value {
    let mut request = request.clone();
    let messages = request.get_mut("messages").and_then(Value::as_array_mut);
    for message in messages.into_iter().flatten() {
        if message.get("role").and_then(Value::as_str) == Some("tool")
            && let Some(content) = message.get_mut("content")
            && let Some(text) = content.as_str()
        {
            *content = without_times(text).into();
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::without_times;

    #[test]
    fn what_a_command_prints_at_two_times_is_one_text() {
        let pairs = [
            ("6 failed in 0.03s", "6 failed in 0.11s"),
            ("==== 1 passed in 9.99s ====\nok", "=== 1 passed in 70.01s (0:01:10) ===\nok"),
            ("Ran 3 tests in 0.001s\n\nOK", "Ran 3 tests in 0.012s\n\nOK"),
            ("real\t0m0.012s\nuser\t0m0.001s", "real\t0m1.000s\nuser\t0m0.002s"),
            ("real 0.01\nuser 0.00\nsys 0.00", "real 0.02\nuser 0.01\nsys 0.10"),
            ("Mon Nov 23 07:44:25 UTC 2026", "Tue Dec  1 17:44:25 UTC 2026"),
            ("Mon Nov 23 07:44:25 2026 +0000", "Sun Jan 3 00:00:00 2027 +0000"),
            ("Mon, 23 Nov 2026 07:44:25 +0000", "Tue, 1 Dec 2026 07:44:25 +0000"),
            ("-rw-r--r-- 1 u u 5 Nov 23 07:44 a.py", "-rw-r--r-- 1 u u 5 Dec  1 17:44 a.py"),
            ("Modify: 2026-11-23 07:44:25.123456789 +0000", "Modify: 2026-12-01 17:44:25.5 +0000"),
            ("2026-11-23T07:44:25Z up", "2026-11-24T07:44:26Z up"),
            ("1795420000.25", "1795430000.5"),
            ("took 12ms", "took 7ms"),
            ("done in 3 seconds", "done in 2 seconds"),
            ("[main 1a2b3c4] Mend\n 1 file changed", "[main f2b3c44] Mend\n 1 file changed"),
            ("[main (root-commit) 1a2b3c4] Mend", "[main (root-commit) f2b3c44] Mend"),
            ("1a2b3c4 Mend it\n77b3c44 Begin", "f2b3c44 Mend it\n87b3c44 Begin"),
            ("HEAD is now at 1a2b3c4 Mend", "HEAD is now at f2b3c44 Mend"),
        ];
        for (was, is) in pairs {
            assert_eq!(without_times(was), without_times(is));
        }
    }

    #[test]
    fn everything_else_stays_different() {
        let pairs = [
            ("6 failed in 0.03s", "5 failed in 0.03s"),
            ("==== 1 passed in 0.01s ====", "==== 1 failed in 0.01s ===="),
            ("assert 2 == 1", "assert 2 == 3"),
            ("assert 0.25 == 1.5", "assert 0.5 == 1.5"),
            ("a[1:30]", "a[1:31]"),
            ("line 12", "line 14"),
            ("[exit code 0]", "[exit code 1]"),
            ("-rw-r--r-- 1 u u 5 Nov 23 07:44 a.py", "-rw-r--r-- 1 u u 6 Nov 23 07:44 a.py"),
            ("May 5 or 6", "May 5 or 7"),
            ("deadbeef is read", "abc is read"),
            ("=====", "======"),
        ];
        for (was, is) in pairs {
            assert_ne!(without_times(was), without_times(is));
        }
    }
}
