//! What a script may say, and what is said about one that says something else.

use crate::mock_model::{FolderFiles, NoFiles, Script, ScriptError};
use fs_err as fs;
use insta::assert_snapshot;
use std::{collections::BTreeMap, error::Error as _};

fn refusal(script: &str) -> String {
    let error = Script::parse("s.yaml", script, &NoFiles).unwrap_err();
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Returns what is said about a script with this entry; the entry begins in line 3.
fn refused_entry(entry: &str) -> String {
    let entry = entry.replace('\n', "\n    ");
    refusal(&format!("format: 1\nentries:\n  - {entry}"))
}

#[test]
fn unknown_fields_are_errors_with_a_line() {
    assert_snapshot!(refusal("format: 1\nentires: []"), @"s.yaml:2:1: unknown field `entires`, expected one of format, models, entries");
    assert_snapshot!(refused_entry("name: a\nmatch: {stge: x}\nreplies: [{text: a}]"), @"s.yaml:4:13: unknown field `stge`, expected one of stage, task, attempt, turn, last_message");
    assert_snapshot!(refused_entry("replies:\n  - texxt: a"), @"s.yaml:4:9: unknown field `texxt`, expected one of text, text_file, reasoning, tool_calls, usage, finish_reason, delay_ms");
    assert_snapshot!(refused_entry("faults: [{kind: explode}]"), @"s.yaml:3:21: unknown variant `explode`, expected one of status, hang, timeout, cut, malformed_json, truncated, slow");
}

#[test]
fn yaml_that_is_none_is_an_error_with_a_line() {
    assert_snapshot!(refusal("format: 1\nentries:\n  - [unclosed"), @"s.yaml:3:5: unclosed bracket '['");
    assert_snapshot!(refusal("format: 1\nformat: 1\nentries: []"), @"s.yaml:2:1: duplicate mapping key `format` is not allowed here");
    assert_snapshot!(refusal(""), @"s.yaml:1:1: unexpected end of file");
}

#[test]
fn other_formats_are_refused() {
    assert_snapshot!(refusal("format: 2\nentries: []"), @"s.yaml:1:9: format 2 is not known; this program reads format 1");
}

#[test]
fn fields_that_contradict_each_other_are_refused() {
    assert_snapshot!(refused_entry("name: empty"), @"s.yaml:3:5: an entry needs `replies` or `faults`");
    assert_snapshot!(refused_entry("replies:\n  - text: a\n    text_file: b"), @"s.yaml:4:9: `text` and `text_file` exclude each other");
    assert_snapshot!(refused_entry("replies:\n  - usage: {}"), @"s.yaml:4:9: a reply needs `text`, `text_file` or `tool_calls`");
    assert_snapshot!(
        refused_entry("replies:\n  - tool_calls:\n      - {name: f, arguments: {}, arguments_raw: x}"),
        @"s.yaml:5:13: `arguments_raw` excludes `arguments` and `arguments_files`"
    );
    assert_snapshot!(refused_entry("faults: [{kind: status}]"), @"s.yaml:3:14: `kind: status` needs a `status` from 300 to 599");
    assert_snapshot!(refused_entry("faults: [{kind: hang, status: 500}]"), @"s.yaml:3:14: `status`, `retry_after` and `message` go with `kind: status` only");
    assert_snapshot!(refused_entry("faults: [{kind: slow}]"), @"s.yaml:3:14: `delay_ms` goes with `kind: slow`, and must be there");
    assert_snapshot!(
        refused_entry("match: {last_message: [{}]}\nreplies: [{text: a}]"),
        @"s.yaml:3:28: a rule needs `role`, `contains`, `lacks` or `regex`"
    );
}

#[test]
fn bad_regex_is_an_error_with_a_line() {
    let said = refused_entry("match:\n  last_message:\n    - {regex: '('}\nreplies: [{text: a}]");
    assert!(said.starts_with("s.yaml:5:11: bad `regex`: "), "{said}");
}

#[test]
fn missing_file_is_an_error_with_a_line() {
    assert_snapshot!(
        refused_entry("replies:\n  - text_file: a.md"),
        @"s.yaml:4: failed to read `a.md`: this script has no files beside it"
    );
}

const WITH_FILES: &str = "
format: 1
entries:
  - replies:
      - text_file: sub/a.md
        tool_calls:
          - name: edit
            arguments: {path: x.py, mode: 3, flag: true, list: [1, a, null]}
            arguments_files: {file_text: x.py}
";

#[test]
fn files_come_from_the_folder_of_the_script() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/a.md"), "text é\n").unwrap();
    fs::write(folder.path().join("x.py"), "print(1)\n").unwrap();
    let file = folder.path().join("script.yaml");
    fs::write(&file, WITH_FILES).unwrap();
    let script = Script::from_path(&file).unwrap();
    let reply = &script.entries[0].replies[0];
    assert_eq!(reply.text.as_deref(), Some("text é\n"));
    assert_eq!(
        reply.calls[0].arguments,
        r#"{"file_text":"print(1)\n","flag":true,"list":[1,"a",null],"mode":3,"path":"x.py"}"#
    );
}

#[test]
fn files_may_be_in_memory() {
    let files: BTreeMap<String, String> =
        [("sub/a.md", "A"), ("x.py", "X")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let script = Script::parse("s", WITH_FILES, &files).unwrap();
    assert_eq!(script.entries[0].replies[0].text.as_deref(), Some("A"));
}

#[test]
fn files_outside_the_folder_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    let folder = outside.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::os::unix::fs::symlink(outside.path().join("secret"), folder.join("link")).unwrap();
    fs::os::unix::fs::symlink("..", folder.join("up")).unwrap();
    let files = FolderFiles::open(&folder).unwrap();
    let absolute = outside.path().join("secret").display().to_string();
    for path in ["../secret", "link", "up/secret", absolute.as_str(), "./../secret"] {
        let script = format!("format: 1\nentries: [{{replies: [{{text_file: '{path}'}}]}}]");
        let error = Script::parse("s.yaml", &script, &files).unwrap_err();
        assert!(matches!(error, ScriptError::File { line: 2, .. }), "{path}: {error}");
    }
}

#[test]
fn missing_script_is_named() {
    let error = Script::from_path("no/such.yaml".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "failed to read script `no/such.yaml`");
}

#[test]
fn numbers_of_tasks_need_no_quotes() {
    let script = "format: 1\nentries: [{match: {task: 1.10}, replies: [{text: a}]}, {match: {task: 1.2.3}, replies: [{text: a}]}]";
    let script = Script::parse("s", script, &NoFiles).unwrap();
    let tasks: Vec<_> = script.entries.iter().map(|entry| entry.criteria.task.clone()).collect();
    assert_eq!(tasks, [Some("1.10".to_owned()), Some("1.2.3".to_owned())]);
}

#[test]
fn example_in_the_documentation_is_valid() {
    let text = include_str!("../FORMAT.md");
    let example = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let files: BTreeMap<String, String> = ["answers/projects.json", "solutions/store.py"]
        .map(|name| (name.to_owned(), "text".to_owned()))
        .into();
    let script = Script::parse("FORMAT.md", example, &files).unwrap();
    assert_eq!(script.entries.len(), 3);
}
