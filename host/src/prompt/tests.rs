//! Every prompt as it is sent, and the promises about templates.

mod samples;

use super::{PromptError, Prompts};
use samples::samples;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Writes a template into a folder of its own and fills it; returns the text or the error.
fn fill(files: &[(&str, &str)], name: &str, variables: &Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    let rendered =
        Prompts::from_dir(dir.path()).and_then(|prompts| prompts.render(name, variables));
    rendered.unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn every_prompt_is_rendered_as_reviewed() {
    let prompts = Prompts::embedded();
    for (name, variables) in samples() {
        let text = prompts.render(&name, &variables).unwrap();
        assert!(
            !text.contains("{{") && !text.contains("{%") && !text.contains("\n\n\n"),
            "{name}:\n{text}"
        );
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.replace('/', "__"), text);
        });
    }
}

#[test]
fn every_template_has_a_sample() {
    let sampled: Vec<String> = samples().into_keys().collect();
    assert_eq!(sampled, Prompts::embedded().names());
}

#[test]
fn readme_lists_every_template_with_its_variables() {
    let readme = include_str!("../../../prompts/README.md");
    let rows: BTreeSet<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: BTreeSet<String> =
        samples().iter().map(|(name, sample)| row(name, sample)).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(rows, expected);
}

/// What a template uses, those it includes among it, is what its struct has; and no struct has a
/// field that none of its templates uses.
#[test]
fn every_variable_is_used() {
    let prompts = Prompts::embedded();
    let mut used: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for (name, sample) in samples() {
        let variables = variables_of(&prompts, &name);
        let given = keys(&sample);
        assert!(
            variables.iter().all(|variable| given.contains(variable)),
            "{name} uses {variables:?}"
        );
        used.entry(given).or_default().extend(variables);
    }
    for (given, used) in used {
        assert_eq!(used.into_iter().collect::<Vec<_>>(), given);
    }
}

/// Returns the variables that a template uses, with those of the templates it includes.
fn variables_of(prompts: &Prompts, name: &str) -> BTreeSet<String> {
    let template = prompts.templates.get_template(name).unwrap();
    let mut variables: BTreeSet<String> =
        template.undeclared_variables(false).into_iter().collect();
    for include in template.source().split("{% include \"").skip(1) {
        variables.extend(variables_of(prompts, include.split('"').next().unwrap()));
    }
    variables
}

#[test]
fn folder_of_the_user_comes_first_and_may_hold_some_templates_only() {
    let own = [("shared/mission.md.j2", "Be brief.")];
    assert_eq!(fill(&own, "shared/mission", &json!({})), "Be brief.");
    let sandbox = fill(&own, "shared/sandbox", &json!({}));
    assert!(sandbox.starts_with("Everything runs in a sandbox"), "{sandbox}");
    let sample = &samples()["propose/tasks.system"];
    assert!(fill(&own, "propose/tasks.system", sample).starts_with("Be brief."));
}

#[test]
fn errors_name_template_line_and_variable() {
    let check = |template: &str, expected: &str| {
        assert_eq!(
            fill(&[("a/b.md.j2", template)], "a/b", &json!({"given": {"x": 1}, "list": [1]})),
            expected
        );
    };
    check("fine {{ given.x }}", "fine 1");
    check(
        "one\ntwo {{ missing }}",
        "error: template `a/b.md.j2` uses `missing` in line 2, which is not defined",
    );
    check(
        "\n{{ given.y }}",
        "error: template `a/b.md.j2` uses `given.y` in line 2, which is not defined",
    );
    check(
        "{% if nothing %}x{% endif %}",
        "error: template `a/b.md.j2` uses `nothing` in line 1, which is not defined",
    );
    check(
        "{% for x in list %}\n{{ y }}{% endfor %}",
        "error: template `a/b.md.j2` uses `y` in line 2, which is not defined",
    );
    check(
        "a\n{% if %}",
        "error: template `a/b.md.j2` has a syntax error in line 2: unexpected end of block",
    );
    check(
        "{{ list | nofilter }}",
        "error: failed to fill template `a/b.md.j2` in line 1: filter nofilter is unknown",
    );
    check("{% include \"a/c\" %}", "error: there is no template `a/c.md.j2`");
}

#[test]
fn error_in_an_included_template_is_found_there() {
    let files = [("a/b.md.j2", "x\n{% include \"a/c\" %}"), ("a/c.md.j2", "\n\n{{ missing }}")];
    let expected = "error: template `a/c.md.j2` uses `missing` in line 3, which is not defined";
    assert_eq!(fill(&files, "a/b", &json!({})), expected);
}

#[test]
fn wrong_folders_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Prompts::from_dir(&dir.path().join("none")).unwrap_err();
    assert!(matches!(missing, PromptError::Read { .. }), "{missing}");
    let empty = Prompts::from_dir(dir.path()).unwrap_err();
    assert!(matches!(empty, PromptError::NoTemplates { .. }), "{empty}");
    assert!(empty.hint().is_some());
}

#[test]
fn text_of_a_project_is_never_read_as_a_template() {
    let text = fill(
        &[("a.md.j2", "{{ text }}")],
        "a",
        &json!({"text": "{{ 1 + 1 }} {% raw %} <b> & \"q\""}),
    );
    assert_eq!(text, "{{ 1 + 1 }} {% raw %} <b> & \"q\"");
}

fn keys(sample: &Value) -> Vec<String> {
    let mut keys: Vec<String> = sample.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

fn row(name: &str, sample: &Value) -> String {
    let variables: Vec<String> = keys(sample).iter().map(|key| format!("`{key}`")).collect();
    format!(
        "| `{name}` | {} |",
        if variables.is_empty() { "none".to_owned() } else { variables.join(", ") }
    )
}
