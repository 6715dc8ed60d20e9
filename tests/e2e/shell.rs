//! The shell and the tools against native bash and GNU tools, byte for byte.

use crate::PLAYPEN;
use playpen_e2e::cases::Cases;
use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[test]
fn shell_and_tools_give_what_native_ones_give() {
    compare("shell.toml");
}

#[test]
fn words_are_expanded_as_in_bash() {
    compare("shell-expansion.toml");
}

#[test]
fn programs_run_as_in_bash() {
    compare("shell-programs.toml");
}

#[test]
fn tools_do_what_the_gnu_tools_do() {
    compare("tools.toml");
}

#[test]
fn features_of_bash_work_as_in_bash() {
    compare("shell-features.toml");
}

#[test]
fn what_is_wrong_is_said_as_by_bash() {
    compare("shell-messages.toml");
}

#[test]
fn scripts_on_standard_input_are_read_as_by_bash() {
    compare("shell-input.toml");
}

#[test]
fn ed_edits_as_gnu_ed() {
    compare("ed.toml");
}

#[test]
fn commands_as_agents_type_them_do_what_they_do_natively() {
    compare("agents.toml");
}

#[test]
fn long_commands_in_one_line_do_what_they_do_natively() {
    compare("one-liners.toml");
}

#[test]
fn links_numbers_and_patches_are_taken_as_natively() {
    compare("following.toml");
}

#[test]
fn archives_of_git_are_those_of_git() {
    compare("archives.toml");
}

#[test]
fn makefiles_are_made_as_by_gnu_make() {
    compare("make.toml");
}

#[test]
fn wrong_command_lines_are_told_as_by_gnu_tools() {
    compare("usage.toml");
}

#[test]
fn patterns_texts_and_archives_are_those_of_native_tools() {
    compare("texts-and-archives.toml");
}

#[test]
fn history_of_lines_and_remotes_are_told_as_by_git() {
    compare("git-lines.toml");
}

#[test]
fn bc_computes_as_gnu_bc() {
    compare("bc.toml");
}

#[test]
fn signals_do_what_they_do_natively() {
    compare("signals.toml");
}

#[test]
fn programs_that_are_absent_are_not_found_and_say_what_to_do() {
    let script = r#"command -v gcc || echo none; which gcc || echo none; type gcc 2>&1
        gcc -c x.c; echo $?; sh -c gcc; echo $?; env gcc; echo $?; echo a | xargs gcc; echo $?
        python3 -c 'import subprocess
try: subprocess.run(["gcc"])
except FileNotFoundError as error: print(error.filename)'"#;
    let ended = crate::folder().playpen(["run", "--quiet", "--", "bash", "-c", script]).run();
    let expected = "none\nnone\nbash: line 1: type: gcc: not found\n127\n127\n127\n127\ngcc\n";
    assert_eq!(ended.out(), expected, "{}", ended.err());
    let hints = ended.err().matches("there is no C compiler here").count();
    assert_eq!(hints, 4, "{}", ended.err());
}

#[test]
fn what_a_command_may_use_is_measured() {
    let script = "head -c 64M /dev/zero > big; df -m . | tail -1 | tr -s ' '; df -i / >/dev/null; \
        free -b | awk '/Mem/ { print $2, $2 == $3 + $4 }'; uptime -p | grep -c ^up";
    let args = ["run", "--quiet", "--mem", "512M", "--disk", "1G", "--", "bash", "-c", script];
    let ended = crate::folder().playpen(args).run();
    assert_eq!(ended.out(), "playpen 1024 64 960 7% /\n536870912 1\n1\n", "{}", ended.err());
}

#[test]
fn git_does_what_native_git_does() {
    compare("git.toml");
}

#[test]
fn rebase_and_bisect_do_what_those_of_git_do() {
    compare("git-rebase.toml");
}

#[track_caller]
fn compare(file: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(file);
    let cases = Cases::open(Path::new(PLAYPEN), &file).unwrap();
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("==== {}\n{}", case.name, cases.verdict(case).unwrap()?)))
        .collect();
    let left_out = cases.left_out();
    if !left_out.is_empty() {
        let line = format!("left out, as this machine lacks their programs: {left_out:?}\n");
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
    let n_cases = cases.iter().count();
    let n_identical = n_cases - differences.len();
    assert!(
        differences.is_empty(),
        "identical {n_identical} of {n_cases}\n{}",
        differences.join("\n")
    );
}

#[test]
fn a_session_takes_command_by_command_and_goes_on_after_a_wrong_one() {
    let folder = crate::folder().file("a.txt", "one\n");
    let lines = "cat a.txt\nif true\nthen echo two; fi\n)\ncat\nfor cat\n";
    let ended = folder.playpen(["shell"]).stdin(lines).run();
    assert_eq!((ended.out().as_ref(), ended.code), ("one\ntwo\nfor cat\n", 0), "{ended:?}");
    let prompt = "playpen:/workspace# ";
    assert!(
        ended.err().starts_with(&format!("{prompt}{prompt}> {prompt}sh: line 4: syntax")),
        "{ended:?}"
    );
    let ended =
        folder.playpen(["shell", "--", "python", "-i"]).stdin("print(6 * 7)\nexit(3)\n").run();
    assert_eq!((ended.out().as_ref(), ended.code), ("42\n", 3), "{ended:?}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the session is a program of the host, spoken to while it runs"
)]
fn an_interrupt_ends_the_program_and_not_the_session() {
    let folder = crate::folder();
    let mut session = Command::new(PLAYPEN)
        .args(["shell"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"echo ready; sleep 100; echo $?\nexit 3\n").unwrap();
    let mut stdout = session.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 6]).unwrap();
    let pid = session.id().to_string();
    let started = Instant::now();
    while session.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_mins(1), "it goes on");
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), session.wait().unwrap().code()), ("130\n", Some(3)));
}
