"""Runs a command of the harness `suites`, of either side, within time, and tells what it used.

    python measure.py RESULT REPORT SECONDS SECONDS_PER_TEST COMMAND...

The command gets a session of its own, all of which is killed when SECONDS have passed, or when REPORT has not
grown for SECONDS_PER_TEST. RESULT gets a JSON object: `code` (None if it was killed), `hung`, `cpu_us` over the
command and the children that it waited for, and `peak_bytes`: the most memory that all processes of the session
held together, as the kernel of the host counts it (PSS: pages in memory, each one once). It is looked at ten times
a second.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


INTERVAL = 0.1


def session(leader):
    """Returns the processes of a session."""
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getsid(int(name)) == leader:
                yield name
        except OSError:
            pass  # it has ended


def held(leader):
    """Returns the bytes that the processes of a session hold in memory, each page counted once."""
    total = 0
    for pid in session(leader):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total * 1024


def wait(child, report, seconds, seconds_per_test):
    """Returns the exit code, or None, whether a test hung, and the most memory that was held."""
    started = grown = time.monotonic()
    length = peak = 0
    while True:
        try:
            return child.wait(INTERVAL), False, peak
        except subprocess.TimeoutExpired:
            pass
        peak = max(peak, held(child.pid))
        now = time.monotonic()
        if size(report) != length:
            grown, length = now, size(report)
        hung = now - grown > seconds_per_test
        if hung or now - started > seconds:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return None, hung, peak


def main(result, report, seconds, seconds_per_test, *command):
    child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    code, hung, peak = wait(child, report, float(seconds), float(seconds_per_test))
    try:
        os.killpg(child.pid, signal.SIGKILL)  # what it left running
    except OSError:
        pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = {
        "code": code,
        "hung": hung,
        "cpu_us": round((usage.ru_utime + usage.ru_stime) * 1_000_000),
        "peak_bytes": peak,
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(used, file)


main(*sys.argv[1:])
