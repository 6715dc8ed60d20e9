"""pytest plugin of the harness `suites`: one JSON object a line in the file that SUITE_REPORT names.

A line is written when a test starts and when it ends, so that a run that dies or hangs still tells what
ran before, and what it died in. SUITE_SKIP names a file with ids that are left out: those that an earlier,
broken run has told about. The functions of `os` are bound early, because tests replace them.
"""

import json
import os
import re

RANK = {name: i for i, name in enumerate(["passed", "skipped", "xfailed", "xpassed", "failed", "error"])}
# High enough that a test which closes or reuses descriptors by number does not meet it.
DESCRIPTOR = 500


def open_report():
    path = os.environ.pop("SUITE_REPORT")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(fd, DESCRIPTOR, inheritable=False)
    os.close(fd)


def write(_dumps=json.dumps, _write=os.write, **record):
    _write(DESCRIPTOR, _dumps(record).encode() + b"\n")


def skipped_ids():
    path = os.environ.pop("SUITE_SKIP", None)
    if path is None:
        return set()
    with open(path, encoding="utf-8") as file:
        return set(json.load(file))


def plain(nodeid):
    """An id without what differs from run to run: the addresses of objects, and the time of day."""
    nodeid = re.sub(r"0x[0-9a-fA-F]{6,}", "0x", nodeid)
    return re.sub(r"\b\d\d:\d\d:\d\d(\.\d+)?", "HH:MM:SS", nodeid)


open_report()
SKIPPED = skipped_ids()
TESTS = {}


def pytest_collection_modifyitems(config, items):
    gone = [item for item in items if plain(item.nodeid) in SKIPPED]
    if gone:
        items[:] = [item for item in items if plain(item.nodeid) not in SKIPPED]
        config.hook.pytest_deselected(items=gone)


def pytest_collectreport(report):
    if report.outcome == "failed":
        write(end=plain(report.nodeid) or ".", outcome="error", message=message(report))


def pytest_runtest_logstart(nodeid):
    TESTS[nodeid] = ("passed", "")
    write(start=plain(nodeid))


def pytest_runtest_logreport(report):
    found = outcome(report)
    before = TESTS.get(report.nodeid, ("passed", ""))
    if RANK[found] > RANK[before[0]]:
        TESTS[report.nodeid] = (found, message(report))


def pytest_runtest_logfinish(nodeid):
    found, why = TESTS.pop(nodeid, ("passed", ""))
    write(end=plain(nodeid), outcome=found, message=why)


def pytest_sessionfinish(session, exitstatus):
    write(finish=int(exitstatus))


def outcome(report):
    """What one phase says of its test; a set-up or tear-down that fails is an error."""
    if hasattr(report, "wasxfail"):
        if report.skipped:
            return "xfailed"
        return "xpassed" if report.passed and report.when == "call" else report.outcome
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def message(report):
    """What went wrong, in one line."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).split("\n")[0]
    crash = getattr(longrepr, "reprcrash", None)
    text = crash.message if crash is not None else last_line(str(longrepr or ""))
    return text.split("\n")[0][:300]


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (errors or lines or [""])[-1].strip()
