//! CPython in the sandbox: processes, pipes and stock pytest.

use crate::folder;
#[test]
fn subprocess_has_live_pipes() {
    let script = "import subprocess; \
                  print(subprocess.run(['sh','-c','echo hi | tr a-z A-Z'], capture_output=True, text=True))";
    let ended = folder().run(&["python", "-c", script]);
    assert_eq!(
        ended.out(),
        "CompletedProcess(args=['sh', '-c', 'echo hi | tr a-z A-Z'], returncode=0, stdout='HI\\n', stderr='')\n",
        "{ended:?}"
    );
}

#[test]
fn a_conversation_with_a_child_goes_both_ways() {
    let script = "
import subprocess
child = subprocess.Popen(['sh', '-c', 'while read line; do echo got $line; done'],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for word in ('one', 'two'):
    child.stdin.write(word + '\\n')
    print(child.stdout.readline(), end='')
child.stdin.close()
print(child.wait())
";
    let ended = folder().run(&["python", "-c", script]);
    assert_eq!(ended.out(), "got one\ngot two\n0\n", "{ended:?}");
}

/// What pytest replaces descriptors for, and what its fault handler is for.
const TESTS: &str = "
import faulthandler, os, subprocess, sys

def test_captures_what_a_child_writes(capfd):
    subprocess.run(['sh', '-c', 'echo from the child; echo trouble >&2'], check=True)
    out, err = capfd.readouterr()
    assert (out, err) == ('from the child\\n', 'trouble\\n')

def test_captures_what_goes_past_python(capfd):
    os.write(1, b'raw')
    assert capfd.readouterr().out == 'raw'

def test_fault_handler_is_on():
    assert faulthandler.is_enabled()

def test_writes_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a').write_text('b')
    assert os.listdir() == ['a']

def test_fails():
    print('shown on failure')
    assert sys.platform == 'no such platform'
";

#[test]
fn pytest_captures_descriptors_with_its_own_means() {
    let folder = folder().file("test_it.py", TESTS);
    let ended = folder.run(&["python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out().contains("1 failed, 4 passed"), "{ended:?}");
    assert!(ended.out().contains("shown on failure"), "{ended:?}");
}
