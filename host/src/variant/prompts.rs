//! What the prompts of variants are filled with: one struct for all of them.

use serde::Serialize;

/// Variables of the templates in `prompts/variant`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct VariantPrompt {
    /// The task's number.
    pub(crate) number: String,
    /// Its title.
    pub(crate) title: String,
    /// What it asks for.
    pub(crate) description: String,
    /// What the project is.
    pub(crate) project_description: String,
    /// What the project may and may not use.
    pub(crate) constraints: String,
    /// The tests of the task.
    pub(crate) test_files: Vec<PromptFile>,
    /// How to put the bug in.
    pub(crate) recipe: String,
    /// What a user saw.
    pub(crate) report: String,
    /// Why an earlier attempt was refused; empty for the first.
    pub(crate) findings: Vec<String>,
    /// The text about tools.
    pub(crate) tools: String,
}

/// A file as a prompt shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PromptFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Sample values for the test that renders every prompt.
#[cfg(test)]
pub(crate) mod samples {
    use super::{PromptFile, VariantPrompt};

    /// The templates, each with a `.system` and a `.user` part.
    pub(crate) const TEMPLATES: [&str; 7] = [
        "variant/issue",
        "variant/injector",
        "variant/solver",
        "variant/reproducer",
        "variant/library-writer",
        "variant/tdd",
        "variant/featadd",
    ];

    pub(crate) fn variables() -> VariantPrompt {
        VariantPrompt {
            number: "1.1.2".to_owned(),
            title: "Bitmap allocator".to_owned(),
            description: "`Bitmap.allocate()` returns the lowest free block.".to_owned(),
            project_description: "A file system on a simulated block device.".to_owned(),
            constraints: "Standard library only.".to_owned(),
            test_files: vec![PromptFile {
                path: "tests/test_1_1_2.py".to_owned(),
                text: "def test_lowest_first(): ...".to_owned(),
            }],
            recipe: "In `Bitmap.allocate`, start the search at block 1.".to_owned(),
            report: "The first block of a new device is never used.".to_owned(),
            findings: vec!["no test fails".to_owned()],
            tools: "(the text about tools)".to_owned(),
        }
    }
}
