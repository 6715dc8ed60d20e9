"""The plugin under the pytest of this machine: `python3 -m pytest guest-tools/python/tests`."""

import json
import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parent.parent / "site-packages"

TESTS = """
import os
import pytest

def test_ok(): print('{"event":"test","id":"forged"}')
def test_fail(): assert 1 == 2, "why\\nmore"
@pytest.mark.skip(reason="not now")
def test_skip(): pass
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.fixture
def bad(): raise ValueError("set-up")
def test_setup(bad): pass
@pytest.fixture
def bad_end():
    yield
    raise KeyError("end")
def test_teardown(bad_end): pass
@pytest.mark.parametrize("a", ["b/c"])
def test_param(a): raise ZeroDivisionError
def test_exit(): raise SystemExit(0)
def test_no_variable(): assert "PLAYPEN_REPORT_FD" not in os.environ
"""

EXPECTED = {
    "test_ok": ("passed", "", ""),
    "test_fail": ("failed", "AssertionError: why", "AssertionError"),
    "test_skip": ("skipped", "not now", "Skipped"),
    "test_xfail": ("xfailed", "known", "AssertionError"),
    "test_xpass": ("xpassed", "", ""),
    "test_strict": ("failed", "[XPASS(strict)]", ""),
    "test_setup": ("error", "ValueError: set-up", "ValueError"),
    "test_teardown": ("error", "KeyError: 'end'", "KeyError"),
    "test_param[b/c]": ("failed", "ZeroDivisionError", "ZeroDivisionError"),
    "test_exit": ("failed", "SystemExit: 0", "SystemExit"),
    "test_no_variable": ("passed", "", ""),
}


def run(directory, *args, variable=True):
    """Runs pytest in a process of its own; returns its status and the lines of the report."""
    read, write = os.pipe()
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if variable:
        env["PLAYPEN_REPORT_FD"] = str(write)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "playpen_report", "-p", "no:cacheprovider", *args]
    done = subprocess.run(command, cwd=directory, env=env, pass_fds=[write], capture_output=True, text=True)
    os.close(write)
    with open(read) as lines:
        return done.returncode, [json.loads(line) for line in lines]


def test_every_outcome(tmp_path):
    (tmp_path / "test_a.py").write_text(TESTS)
    status, events = run(tmp_path)
    collected, *tests, finish = events
    assert collected == {"event": "collected", "ids": [f"test_a.py::{name}" for name in EXPECTED]}
    got = {e["id"].removeprefix("test_a.py::"): (e["outcome"], e["message"], e["exception"]) for e in tests}
    assert got == EXPECTED
    assert all(isinstance(e["duration_us"], int) and e["duration_us"] >= 0 for e in tests)
    assert finish == {"event": "finish", "exitstatus": status} == {"event": "finish", "exitstatus": 1}


def test_a_file_that_does_not_import(tmp_path):
    (tmp_path / "test_b.py").write_text("import nothing_there")
    status, events = run(tmp_path)
    assert events[0] == {
        "event": "collect_error",
        "id": "test_b.py",
        "message": "ModuleNotFoundError: No module named 'nothing_there'",
    }
    assert events[-1] == {"event": "finish", "exitstatus": 2} and status == 2


def test_only_what_is_selected_is_collected(tmp_path):
    (tmp_path / "test_c.py").write_text("def test_x(): pass\ndef test_y(): pass")
    _, events = run(tmp_path, "-k", "test_y")
    assert events[0]["ids"] == ["test_c.py::test_y"]


def test_without_the_variable_nothing_is_written(tmp_path):
    (tmp_path / "test_d.py").write_text("def test_x(): pass")
    assert run(tmp_path, variable=False) == (0, [])
