//! What every template is filled with in tests: the structs that the stages use, with sample values.

use crate::propose::prompts::{
    ContinuePrompt, EarlierProject, EarlierTest, NamedTest, ProjectsPrompt, RepairPrompt,
    SetupPrompt, TasksPrompt, TestDocsPrompt,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the variables of every template, by its name.
pub(super) fn samples() -> BTreeMap<String, Value> {
    let mut samples = BTreeMap::new();
    add(&mut samples, &["shared/mission", "shared/sandbox"], &serde_json::Map::new());
    evaluation(&mut samples);
    propose(&mut samples);
    rollout(&mut samples);
    for template in crate::variant::prompts::samples::TEMPLATES {
        add_pair(&mut samples, template, &crate::variant::prompts::samples::variables());
    }
    samples
}

fn add(samples: &mut BTreeMap<String, Value>, names: &[&str], variables: &impl Serialize) {
    let value = serde_json::to_value(variables).unwrap();
    samples.extend(names.iter().map(|name| ((*name).to_owned(), value.clone())));
}

/// Adds the variables of a `.system` and a `.user` template.
fn add_pair(samples: &mut BTreeMap<String, Value>, name: &str, variables: &impl Serialize) {
    add(samples, &[&format!("{name}.system"), &format!("{name}.user")], variables);
}

/// Adds the variables of the prompts that a benchmark's harness fills.
fn evaluation(samples: &mut BTreeMap<String, Value>) {
    let instance = json!({
        "problem_statement": "The first block of a new device is never used.",
        "base_commit": "0123456789abcdef0123456789abcdef01234567",
    });
    let both = json!({ "workspace_dir_name": "blockfs__0", "instance": instance });
    add(samples, &["evaluation/swebench", "evaluation/swtbench"], &both);
    add(samples, &["evaluation/commit0"], &json!({ "workspace_dir_name": "blockfs__0" }));
}

fn propose(samples: &mut BTreeMap<String, Value>) {
    add_pair(samples, "propose/projects", &projects());
    add_pair(samples, "propose/tasks", &tasks());
    add_pair(samples, "propose/setup", &setup());
    add_pair(samples, "propose/test-docs", &test_docs());
    let rest = ContinuePrompt { tail: "\"title\": \"Block dev".to_owned() };
    add(samples, &["propose/tasks-continue.user"], &rest);
    let repair = RepairPrompt {
        problems: vec![
            "project 1: `constraints` is missing".to_owned(),
            "project 2: a field is empty".to_owned(),
        ],
        wanted: "Propose exactly 2 projects.".to_owned(),
    };
    add(samples, &["propose/repair.user"], &repair);
}

fn projects() -> ProjectsPrompt {
    ProjectsPrompt {
        n_projects: 2,
        language: "Python".to_owned(),
        topics: vec![
            "error-correcting codes".to_owned(),
            "consensus in a simulated network".to_owned(),
        ],
        difficulty: "medium",
        earlier: vec![EarlierProject {
            repo_name: "blockfs".to_owned(),
            summary: "A file system on a simulated block device.".to_owned(),
        }],
    }
}

fn tasks() -> TasksPrompt {
    TasksPrompt {
        repo_name: "blockfs".to_owned(),
        language: "Python".to_owned(),
        project_description: "A file system on a simulated block device.".to_owned(),
        constraints: "Standard library only.\nNo `sqlite3`.".to_owned(),
        n_tasks: 12,
    }
}

fn setup() -> SetupPrompt {
    SetupPrompt {
        repo_name: "blockfs".to_owned(),
        language: "Python".to_owned(),
        project_description: "A file system on a simulated block device.".to_owned(),
        constraints: "Standard library only.".to_owned(),
        findings: vec!["`blockfs/device.py` cannot be imported: SyntaxError".to_owned()],
        tools: "(the text about tools)".to_owned(),
    }
}

fn test_docs() -> TestDocsPrompt {
    TestDocsPrompt {
        repo_name: "blockfs".to_owned(),
        number: "1.1.2".to_owned(),
        title: "Bitmap allocator".to_owned(),
        tests: vec![
            NamedTest {
                name: "lowest first".to_owned(),
                description: "Three allocations give 0, 1, 2.".to_owned(),
            },
            NamedTest { name: "full".to_owned(), description: String::new() },
        ],
        earlier_tests: vec![EarlierTest {
            task: "1.1.1".to_owned(),
            name: "new device is zero".to_owned(),
        }],
        document: "# Project Description\n\n...".to_owned(),
    }
}

fn rollout(samples: &mut BTreeMap<String, Value>) {
    add(samples, &["agent/tools"], &crate::rollout::prompts::samples::tools());
    add_pair(samples, "rollout/test-writer", &crate::rollout::prompts::samples::test_writer());
    add_pair(samples, "rollout/implementer", &crate::rollout::prompts::samples::implementer());
}
