//! What is compared: the cases of each bench, with the same command on both sides where there is one.

use std::num::NonZeroU32;

/// A group of comparisons, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// A trivial tool against a static native program.
    Exec,
    /// Shells, and scripts that start programs, against bash and GNU tools.
    Spawn,
    /// Pipes between processes.
    Pipe,
    /// `python -c "print(1)"` against a native CPython.
    Python,
    /// `python -m pytest -q` on a file of nine tests against a native CPython.
    Pytest,
    /// Forks of a tree against copies of it.
    Fork,
}

/// Nine tests that pass, with the fixtures that most tests use.
pub(super) const NINE_TESTS: &str = include_str!("nine_tests.py");

/// What the file of the nine tests is called.
pub(super) const NINE_TESTS_NAME: &str = "test_nine.py";

/// What both sides execute.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// `true` against the smallest program there is in C.
    Nothing,
    /// A line of shell, in the folder of the tree.
    Shell(&'static str),
    /// `python -c` with this program.
    Python(&'static str),
    /// pytest on the nine tests.
    Pytest,
    /// A fork of the tree against a copy of the folder.
    Fork,
}

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) work: Work,
    /// Bytes that go through, where speed is the point.
    pub(super) bytes: Option<u64>,
}

const fn case(name: &'static str, work: Work) -> Case {
    Case { name, work, bytes: None }
}

impl Bench {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Exec, Self::Spawn, Self::Pipe, Self::Python, Self::Pytest, Self::Fork];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Spawn => "spawn",
            Self::Pipe => "pipe",
            Self::Python => "python",
            Self::Pytest => "pytest",
            Self::Fork => "fork",
        }
    }

    /// Returns how often each side is measured unless somebody says otherwise: the longer one
    /// execution takes, the fewer.
    pub fn rounds(self) -> NonZeroU32 {
        let n = match self {
            Self::Exec | Self::Python => 50,
            Self::Spawn | Self::Pytest | Self::Fork => 10,
            Self::Pipe => 5,
        };
        NonZeroU32::new(n).expect("not 0")
    }

    pub(super) fn cases(self) -> &'static [Case] {
        const EXEC: &[Case] = &[case("exec", Work::Nothing)];
        const SPAWN: &[Case] = &[
            case("shell", Work::Shell("echo hi")),
            case(
                "200 commands",
                Work::Shell("i=0; while [ $i -lt 200 ]; do env true; i=$((i+1)); done; echo $i"),
            ),
            case("grep -r", Work::Shell("grep -rn --include='*.py' 'def __init__' . | wc -l")),
            case("find", Work::Shell("find . -name '*.py' | xargs wc -l | wc -l")),
        ];
        const PIPE: &[Case] = &[Case {
            name: "pipe",
            work: Work::Shell("head -c 1073741824 /dev/zero | wc -c"),
            bytes: Some(1 << 30),
        }];
        const PYTHON: &[Case] = &[case("python", Work::Python("print(1)"))];
        const PYTEST: &[Case] = &[case("pytest", Work::Pytest)];
        const FORK: &[Case] = &[case("fork", Work::Fork)];
        match self {
            Self::Exec => EXEC,
            Self::Spawn => SPAWN,
            Self::Pipe => PIPE,
            Self::Python => PYTHON,
            Self::Pytest => PYTEST,
            Self::Fork => FORK,
        }
    }

    /// Says whether the bench works on a tree of files.
    pub fn needs_tree(self) -> bool {
        matches!(self, Self::Spawn | Self::Fork)
    }
}

impl Case {
    /// Returns what the sandbox executes; none for what is no command.
    pub(super) fn command(&self) -> Option<(&'static str, Vec<&'static str>)> {
        match self.work {
            Work::Nothing => Some(("true", vec![])),
            Work::Shell(line) => Some(("sh", vec!["-c", line])),
            Work::Python(program) => Some(("python", vec!["-c", program])),
            Work::Pytest => Some(("python", vec!["-m", "pytest", "-q", NINE_TESTS_NAME])),
            Work::Fork => None,
        }
    }

    /// Returns what of an output has to be the same on both sides: all of it, but for the line in
    /// which pytest says how long it took.
    pub(super) fn comparable<'a>(&self, output: &'a [u8]) -> &'a [u8] {
        let end = output.iter().position(|byte| *byte == b'\n').unwrap_or(output.len());
        if matches!(self.work, Work::Pytest) { &output[..end] } else { output }
    }
}
