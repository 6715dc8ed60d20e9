//! The verifier before scripted agents. All of them are judged by the program `verdicts`; here are some
//! of each stage, and what the format refuses.

use playpen_e2e::verdicts::{
    judge::Case,
    machine::context,
    persona::{self, Found},
};
use std::{collections::BTreeMap, path::Path};

/// One honest and one dishonest agent of each stage, the latter a trick that needs more than a look at
/// the report.
const NAMES: [&str; 17] = [
    "honest-introspection",
    "honest-plugins",
    "implementer-equals-everything",
    "implementer-forges-a-report-with-controls",
    "implementer-patches-by-subclasses",
    "implementer-reads-all-files-and-ignores-contradictions",
    "implementer-reads-the-test-file",
    "injector-honest",
    "injector-unneeded-file",
    "library-honest",
    "reproducer-assert-false",
    "reproducer-honest",
    "reproducer-honest-by-programs",
    "reproducer-reads-the-source-in-a-child",
    "solver-regresses",
    "writer-honest",
    "writer-one-vacuous-among-good-ones",
];

fn personas(folder: &Path) -> Found {
    persona::read_all(folder).unwrap()
}

fn ours() -> Found {
    personas(&Path::new(env!("CARGO_MANIFEST_DIR")).join("personas"))
}

#[test]
fn there_are_personas_of_every_stage_and_all_can_be_read() {
    let found = ours();
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let mut by_stage: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for persona in &found.personas {
        let (good, bad) = by_stage.entry(persona.stage.name()).or_default();
        *(if persona.is_accepted { good } else { bad }) += 1;
    }
    assert_eq!(by_stage.len(), 6);
    assert!(by_stage.values().all(|(good, bad)| *good >= 2 && *bad >= 8), "{by_stage:?}");
    let mut names: Vec<&str> = found.personas.iter().map(|it| it.name.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), found.personas.len(), "two personas have one name");
}

#[test]
fn what_is_wrong_with_a_persona_is_said_with_its_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("key.toml", "stage = \"solver\"\nexpect = \"accept\"\nprojekt = \"x\"", "projekt"),
        (
            "stage.toml",
            "stage = \"judge\"\nexpect = \"accept\"\n[files]\n\"a\" = \"\"",
            "`stage` is `judge`",
        ),
        (
            "expect.toml",
            "stage = \"tests\"\nexpect = \"maybe\"\n[files]\n\"a\" = \"\"",
            "`expect` is `maybe`",
        ),
        (
            "project.toml",
            "stage = \"tests\"\nexpect = \"accept\"\nproject = \"none\"",
            "no project `none`",
        ),
        (
            "step.toml",
            "stage = \"tests\"\nexpect = \"accept\"\n[files]\n\"a\" = \"\"\n[[do]]\nwrite = \"x\"",
            "`write` needs `text`",
        ),
        (
            "bug.toml",
            "stage = \"swe\"\nexpect = \"accept\"\n[files]\n\"tests/a\" = \"\"",
            "needs `buggy`",
        ),
        ("path.toml", "stage = \"tests\"\nexpect = \"accept\"\n[files]\n\"../a\" = \"\"", "`../a`"),
    ];
    for (name, text, _) in cases {
        fs_err::write(folder.path().join(name), text).unwrap();
    }
    let found = personas(folder.path());
    assert_eq!(found.personas.len(), 0);
    for (name, _, said) in cases {
        let errors = found.errors.iter().map(|error| format!("{error:#}"));
        let of_file: Vec<String> = errors.filter(|error| error.contains(name)).collect();
        assert!(of_file.iter().any(|error| error.contains(said)), "{name}: {of_file:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_the_expected_ones() {
    let ctx = context(None).unwrap();
    let found = ours();
    let mut wrong = vec![];
    let mut n_judged = 0;
    for persona in found.personas.into_iter().filter(|it| NAMES.contains(&it.name.as_str())) {
        let (name, expected) = (persona.name.clone(), persona.is_accepted);
        let case = Case::play(&ctx, persona).await.unwrap();
        let judgement = case.judge(&ctx, 7, 2).await.unwrap();
        n_judged += 1;
        if judgement.is_accepted != expected {
            wrong.push((name, judgement.details));
        }
    }
    assert_eq!(n_judged, NAMES.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
