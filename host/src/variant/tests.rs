//! Bugs, mutants and stubs of a small project, in the real sandbox.

use playpen_runtime::{Sandbox, Tree};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    baseline::Baseline,
    edits::{self, Edit, Lines, apply},
    instance,
    mutants::{self, Fate},
    procedural::{self, ProceduralConfig},
    repository::Repository,
};
use crate::{
    agent::testing::{ScriptedModel, context},
    context::Context,
    progress::Silent,
};

const SHOP: &str = r#"'''A shop.'''
import functools

LIMIT = 3


def total(prices, discount=0):
    """Sums up."""
    # the loop is the point
    out = 0
    for price in prices:
        if price < 0:
            raise ValueError("negative")
        out += price
    return out - discount  # at the end


@functools.lru_cache
def fits(n):
    return n <= LIMIT


class Cart:
    def __init__(self):
        self.items = []

    def add(self, item, count=1):
        if not fits(len(self.items) + count):
            return False
        self.items.extend([item] * count)
        return True

    @property
    def size(self): return len(self.items)

    def wait(self):
        n = 0
        while n < 5:
            n += 1
        return n
"#;

const TESTS: &str = "import pytest
from shop import Cart, fits, total


def test_total():
    assert total([1, 2], 1) == 2


def test_negative():
    with pytest.raises(ValueError):
        total([-1])


class TestCart:
    def test_add(self):
        cart = Cart()
        assert cart.add('a', 2) and cart.size == 2

    def test_full(self):
        assert not Cart().add('a', 4)


def test_wait():
    assert Cart().wait() == 5


@pytest.mark.parametrize('n', [3, 4])
def test_fits(n):
    assert fits(n) is (n == 3)
";

fn project() -> Repository {
    let mut tree = Tree::new();
    tree.write("shop.py", SHOP, 0o644).unwrap();
    tree.write("tests/test_shop.py", TESTS, 0o644).unwrap();
    Repository::new(tree, Tree::new(), &[], "shop").unwrap()
}

fn offline() -> Option<Context> {
    context(Arc::new(ScriptedModel::answers(vec![])))
}

async fn baseline(ctx: &Context) -> Baseline {
    Baseline::new(ctx, &project(), Duration::from_mins(1)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_knows_which_test_runs_which_line() {
    let Some(ctx) = offline() else { return };
    let baseline = baseline(&ctx).await;
    assert_eq!(baseline.ids.len(), 7);
    let line = |text: &str| {
        u32::try_from(SHOP.lines().position(|line| line.contains(text)).unwrap() + 1).unwrap()
    };
    let tests = |text: &str| baseline.tests_of("shop.py", line(text), line(text));
    assert_eq!(tests("raise ValueError"), ["tests/test_shop.py::test_negative"]);
    assert_eq!(tests("return False"), ["tests/test_shop.py::TestCart::test_full"]);
    assert_eq!(tests("n += 1"), ["tests/test_shop.py::test_wait"]);
    assert!(baseline.is_shared("shop.py", line("LIMIT = 3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_test_computes_for_others_is_known() {
    let Some(ctx) = offline() else { return };
    let mut tree = Tree::new();
    let source = "class Rates:
    known = {}

    def rate(self, kind):
        if kind not in self.known:
            self.known[kind] = self.compute(kind)
        return self.known[kind]

    def compute(self, kind):
        return len(kind) * 3
";
    let tests = "from rates import Rates


def test_first():
    assert Rates().rate('ab') == 6


def test_second():
    assert Rates().rate('ab') + 1 == 7


def test_third():
    assert Rates().rate('ab') - 1 == 5
";
    tree.write("rates.py", source, 0o644).unwrap();
    tree.write("tests/test_rates.py", tests, 0o644).unwrap();
    let repository = Repository::new(tree, Tree::new(), &[], "rates").unwrap();
    let baseline = Baseline::new(&ctx, &repository, Duration::from_mins(1)).await.unwrap();
    assert_eq!(
        baseline.tests_of("rates.py", 10, 10),
        ["tests/test_rates.py::test_third", "tests/test_rates.py::test_first"]
    );
    assert!(baseline.is_remembered("rates.py", 10, 10));
    assert!(!baseline.is_remembered("rates.py", 7, 7), "each test runs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_and_fresh_processes_say_the_same_of_a_mutant() {
    let Some(ctx) = offline() else { return };
    let baseline = baseline(&ctx).await;
    let found = mutants::find(&baseline, &baseline.lines).await.unwrap();
    assert!(found.mutants.len() > 15, "{}", found.mutants.len());
    let warm = mutants::screen(&baseline, &found.mutants, 1, false).await.unwrap();
    let mut n_hung = 0;
    for (mutant, fate) in found.mutants.iter().zip(&warm) {
        n_hung += usize::from(*fate == Fate::Hung);
        if *fate == Fate::Hung {
            continue;
        }
        let ids: BTreeSet<String> = mutant.tests.iter().cloned().collect();
        let tree = mutant.tree(&baseline.suite.tree()).unwrap();
        let selection = super::suite::Selection::of(ids.clone(), 0);
        let run = baseline.suite.run(Some(&tree), &selection).await.unwrap();
        let is_killed = !mutants::failing(&run, &ids).is_empty();
        assert_eq!(matches!(fate, Fate::Killed { .. }), is_killed, "{mutant:?}: {fate:?}");
    }
    assert!(n_hung >= 1, "`while n < 5` without `n += 1` has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_holds_when_it_is_read_back() {
    let Some(ctx) = offline() else { return };
    let config = ProceduralConfig { n_bugs: 6, ..ProceduralConfig::default() };
    let repository = project();
    let mut made = procedural::procedural(&ctx, &repository, &config, &Silent).await.unwrap();
    assert_eq!(made.bugs.len(), 6);
    let digests: BTreeSet<String> = made.bugs.iter().map(procedural::Bug::digest).collect();
    assert_eq!(digests.len(), 6);
    let (joined, _) = procedural::combine(&made.baseline, &made.bugs, 2, 1, 0.9).await.unwrap();
    made.bugs.extend(joined);
    let folder = tempfile::tempdir().unwrap();
    let instances = instance::write(&ctx, &repository, &made, folder.path()).await.unwrap();
    for instance in &instances {
        assert!(instance.patch.contains("+++ b/shop.py"), "{}", instance.patch);
        assert!(!instance.patch.contains("tests/"), "{}", instance.patch);
        assert!(
            instance.test_patch.contains("+++ b/tests/test_shop.py"),
            "{}",
            instance.test_patch
        );
    }
    let report = instance::check(&ctx, folder.path(), 2, Duration::from_mins(1)).await.unwrap();
    let problems: Vec<_> = report.instances.iter().flat_map(|check| &check.problems).collect();
    assert_eq!(report.n_holding(), made.bugs.len(), "{problems:?}");
    let again = instance::write(&ctx, &repository, &made, folder.path()).await.unwrap_err();
    assert!(again.to_string().contains("has a data set in it already"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_of_a_project_with_a_source_folder_holds() {
    let Some(ctx) = offline() else { return };
    let mut tree = Tree::new();
    tree.write("src/shop.py", SHOP, 0o644).unwrap();
    tree.write("tests/test_shop.py", TESTS, 0o644).unwrap();
    let repository = Repository::new(tree, Tree::new(), &[], "shop").unwrap();
    let config = ProceduralConfig { n_bugs: 2, ..ProceduralConfig::default() };
    let made = procedural::procedural(&ctx, &repository, &config, &Silent).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    instance::write(&ctx, &repository, &made, folder.path()).await.unwrap();
    let report = instance::check(&ctx, folder.path(), 2, Duration::from_mins(1)).await.unwrap();
    let problems: Vec<_> = report.instances.iter().flat_map(|check| &check.problems).collect();
    assert_eq!(report.n_holding(), 2, "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_does_nothing_is_seen() {
    let Some(ctx) = offline() else { return };
    let config = ProceduralConfig { n_bugs: 1, ..ProceduralConfig::default() };
    let made = procedural::procedural(&ctx, &project(), &config, &Silent).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    instance::write(&ctx, &project(), &made, folder.path()).await.unwrap();
    let path = folder.path().join("instances.jsonl");
    let mut instance: instance::Instance =
        serde_json::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap();
    instance.patch = instance.patch.lines().fold(String::new(), |text, line| {
        let line =
            if line.starts_with('+') && !line.starts_with("+++") { "+    pass" } else { line };
        text + line + "\n"
    });
    fs_err::write(&path, serde_json::to_string(&instance).unwrap()).unwrap();
    let report = instance::check(&ctx, folder.path(), 1, Duration::from_mins(1)).await.unwrap();
    assert!(report.instances[0].nop_holds && !report.instances[0].gold_holds, "{report:?}");
}

async fn stubbed(sandbox: &Sandbox, source: &str, keep: &Lines) -> String {
    let paths = BTreeSet::from(["shop.py".to_owned()]);
    let done = edits::stubs(sandbox, &paths, keep, "raise NotImplementedError").await.unwrap();
    String::from_utf8(apply(source.as_bytes(), &done["shop.py"].edits)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stubs_keep_what_callers_see() {
    let Some(ctx) = offline() else { return };
    let suite = super::suite::Suite::open(&ctx, &project(), Duration::from_mins(1)).unwrap();
    let size = 1 + SHOP.lines().position(|line| line.contains("def size")).unwrap();
    let keep =
        Lines::from([("shop.py".to_owned(), BTreeSet::from([u32::try_from(size).unwrap()]))]);
    insta::assert_snapshot!(stubbed(&suite.fork(None), SHOP, &keep).await, @r#"
    '''A shop.'''
    import functools

    LIMIT = 3


    def total(prices, discount=0):
        """Sums up."""
        raise NotImplementedError


    @functools.lru_cache
    def fits(n):
        raise NotImplementedError


    class Cart:
        def __init__(self):
            raise NotImplementedError

        def add(self, item, count=1):
            raise NotImplementedError

        @property
        def size(self): return len(self.items)

        def wait(self):
            raise NotImplementedError
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_functions_are_taken_out() {
    let Some(ctx) = offline() else { return };
    let suite = super::suite::Suite::open(&ctx, &project(), Duration::from_mins(1)).unwrap();
    let path = "tests/test_shop.py".to_owned();
    let names = ["test_fits", "TestCart::test_add", "TestCart::test_full", "test_gone"];
    let names = BTreeMap::from([(path.clone(), names.map(str::to_owned).into())]);
    let done = edits::without(&suite.fork(None), &names).await.unwrap();
    let (edits, missing) = &done[&path];
    assert_eq!(missing, &["test_gone"]);
    let left = String::from_utf8(apply(TESTS.as_bytes(), edits)).unwrap();
    assert!(!left.contains("parametrize") && !left.contains("test_full"), "{left}");
    assert!(left.contains("class TestCart:\n    pass\n"), "{left}");
}

/// The promises of `python/edits.py`, tried on files that nobody wrote for it: the standard library.
#[tokio::test(flavor = "multi_thread")]
async fn edits_of_the_standard_library_change_one_place_each() {
    let Some(ctx) = offline() else { return };
    let suite = super::suite::Suite::open(&ctx, &project(), Duration::from_mins(1)).unwrap();
    let script = concat!(include_str!("python/edits.py"), include_str!("python/check_edits.py"));
    let find = "import sysconfig, os; folder = sysconfig.get_path('stdlib'); \
                sys.argv[1:] = ['25'] + [os.path.join(folder, name) for name in \
                ('abc.py', 'bisect.py', 'contextlib.py', 'functools.py', 'json/decoder.py', 'locale.py', 'textwrap.py')]";
    let script =
        script.replace("import sys\n\nrun_checks", &format!("import sys\n{find}\nrun_checks"));
    let outcome =
        suite.fork(None).command("python").args(["-I", "-c", &script]).output().await.unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert_eq!(said.lines().count(), 1, "{said}{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(said.starts_with("7 files, "), "{said}");
}

#[test]
fn an_edit_removes_the_compiled_file() {
    let mut tree = Tree::new();
    tree.write("pkg/a.py", "x = 1\n", 0o755).unwrap();
    tree.write("pkg/__pycache__/a.cpython-313.pyc", "old", 0o644).unwrap();
    tree.write("pkg/__pycache__/ab.cpython-313.pyc", "other", 0o644).unwrap();
    let edit = Edit { start: 4, end: 5, text: "2".to_owned() };
    let tree = edits::edited(&tree, "pkg/a.py", &[edit]).unwrap();
    assert_eq!(tree.read("pkg/a.py").unwrap(), "x = 2\n");
    assert!(!tree.exists("pkg/__pycache__/a.cpython-313.pyc"));
    assert!(tree.exists("pkg/__pycache__/ab.cpython-313.pyc"));
}
