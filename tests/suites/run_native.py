"""Runs a command of the harness `suites` natively, within time, and tells what it used.

    python run_native.py RESULT REPORT SECONDS SECONDS_PER_TEST COMMAND...

The command gets a session of its own, all of which is killed when SECONDS have passed, or when REPORT has not
grown for SECONDS_PER_TEST. RESULT gets a JSON object: `code` (None if it was killed), `hung`, `cpu_us` and
`peak_bytes`, over the command and the children that it waited for.
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


def wait(child, report, seconds, seconds_per_test):
    """Returns the exit code, or None, and whether a test hung."""
    started = grown = time.monotonic()
    length = 0
    while True:
        try:
            return child.wait(0.1), False
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        if size(report) != length:
            grown, length = now, size(report)
        hung = now - grown > seconds_per_test
        if hung or now - started > seconds:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return None, hung


def main(result, report, seconds, seconds_per_test, *command):
    child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    code, hung = wait(child, report, float(seconds), float(seconds_per_test))
    try:
        os.killpg(child.pid, signal.SIGKILL)  # what it left running
    except OSError:
        pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = {
        "code": code,
        "hung": hung,
        "cpu_us": round((usage.ru_utime + usage.ru_stime) * 1_000_000),
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    with open(result, "w", encoding="utf-8") as file:
        json.dump(used, file)


main(*sys.argv[1:])
