"""Databases of several connections and processes, with either journal; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. No outcome depends on who is faster.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile

from told import tell

CASES = {}
FOLDER = tempfile.mkdtemp()


def case(function):
    CASES[function.__name__] = function
    return function


def both(function):
    """A case for each kind of journal."""
    for mode in ("delete", "wal"):
        CASES[f"{function.__name__}-{mode}"] = lambda mode=mode: function(mode)
    return function


def fresh(mode):
    path = os.path.join(tempfile.mkdtemp(dir=FOLDER), "data.db")
    database = sqlite3.connect(path, timeout=0, isolation_level=None)
    said = ask(database, f"pragma journal_mode={mode}")
    ask(database, "create table t (n)")
    return path, database, said


def again(path, timeout=0):
    return sqlite3.connect(path, timeout=timeout, isolation_level=None)


def ask(database, statement, *values):
    try:
        return database.execute(statement, *values).fetchall()
    except sqlite3.Error as error:
        return [type(error).__name__, str(error)]


def beside(path):
    return sorted(os.listdir(os.path.dirname(path)))

CHILD = """
import os, sqlite3, sys
path = sys.argv[1]
database = sqlite3.connect(path, timeout=float(sys.argv[2]), isolation_level=None)
def ask(statement, *values):
    try:
        return database.execute(statement, *values).fetchall()
    except sqlite3.Error as error:
        return [type(error).__name__, str(error)]
"""


def child(path, code, timeout=0):
    command = [sys.executable, "-c", CHILD + code, path, str(timeout)]
    run = subprocess.run(command, capture_output=True, text=True)
    return [run.returncode, run.stdout.splitlines(), run.stderr[-300:]]


class Partner:
    """A process that does what it is told, line by line."""

    def __init__(self, path):
        code = CHILD + "\nfor line in sys.stdin:\n    print(eval(line), flush=True)\n"
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", code, path, "0"]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, statement):
        self.process.stdin.write(f"ask({statement!r})\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.communicate()
        return self.process.returncode


@both
def what_is_written_is_seen(mode):
    path, one, said = fresh(mode)
    other = again(path)
    yield said, ask(other, "pragma journal_mode"), beside(path)
    for n in range(5):
        yield ask(one, "insert into t values (?)", [n]), ask(other, "select count(*), sum(n) from t")
        yield ask(other, "insert into t values (?)", [n * 10]), ask(one, "select count(*), sum(n) from t")
    yield child(path, "print(ask('select * from t order by n'), ask('delete from t where n > 5'))")
    yield ask(one, "select * from t order by n"), ask(other, "pragma integrity_check")
    one.close(), other.close()
    yield beside(path)


@both
def a_reader_beside_a_writer(mode):
    path, one, _ = fresh(mode)
    other = again(path)
    ask(one, "insert into t values (1)")
    yield ask(one, "begin"), ask(one, "insert into t values (2)")
    yield ask(other, "select * from t"), ask(other, "insert into t values (3)")
    yield child(path, "print(ask('select * from t'), ask('insert into t values (4)'))")
    yield ask(one, "commit"), ask(other, "select * from t")
    one.close(), other.close()


@both
def a_reader_keeps_its_view(mode):
    path, one, _ = fresh(mode)
    ask(one, "insert into t values (1)")
    partner = Partner(path)
    yield partner.ask("begin"), partner.ask("select * from t")
    yield ask(one, "insert into t values (2)"), ask(one, "select * from t")
    yield partner.ask("select * from t"), partner.ask("commit"), partner.ask("select * from t")
    yield ask(one, "insert into t values (3)"), partner.ask("select * from t")
    yield partner.ask("begin exclusive"), ask(one, "select * from t"), ask(one, "insert into t values (4)")
    yield partner.ask("rollback"), ask(one, "insert into t values (5)"), partner.end()
    one.close()


@both
def a_writer_is_killed(mode):
    path, one, _ = fresh(mode)
    ask(one, "insert into t values (1)")
    partner = Partner(path)
    yield partner.ask("begin immediate"), partner.ask("insert into t values (2)")
    yield ask(one, "insert into t values (3)")
    partner.process.kill()
    yield partner.process.wait() == -signal.SIGKILL, ask(one, "insert into t values (4)")
    partner.end()
    yield ask(one, "select * from t"), ask(one, "pragma integrity_check")
    one.close()


@both
def all_are_killed(mode):
    path, one, _ = fresh(mode)
    one.close()
    partner = Partner(path)
    for n in range(3):
        yield partner.ask(f"insert into t values ({n})")
    yield partner.ask("begin"), partner.ask("insert into t values (9)")
    partner.process.kill()
    partner.end()
    one = again(path)
    yield ask(one, "select * from t"), ask(one, "insert into t values (4)"), ask(one, "pragma integrity_check")
    one.close()
    yield beside(path)


@both
def many_writers(mode):
    path, one, _ = fresh(mode)
    one.close()
    code = """
for n in range(25):
    while ask("begin immediate"):
        pass
    top = ask("select count(*) from t")[0][0]
    ask("insert into t values (?)", [top])
    ask("commit")
"""
    command = [sys.executable, "-c", CHILD + code, path, "60"]
    processes = [subprocess.Popen(command) for _ in range(4)]
    yield [process.wait() for process in processes]
    one = again(path)
    yield ask(one, "select count(*), count(distinct n), min(n), max(n) from t"), ask(one, "pragma integrity_check")
    one.close()


@both
def much_is_written(mode):
    path, one, _ = fresh(mode)
    other = again(path)
    ask(one, "create table big (n integer primary key, text)")
    ask(one, "begin")
    for n in range(6000):
        one.execute("insert into big values (?, ?)", (n, "x" * 1500))
    yield ask(other, "select count(*) from t"), ask(one, "commit")
    yield ask(other, "select count(*), sum(n), sum(length(text)) from big")
    code = "print(ask('select count(*), sum(n) from big'), ask('delete from big where n % 3'), ask('select count(*) from big'))"
    yield child(path, code), ask(other, "select count(*), sum(n) from big")
    yield ask(one, "pragma integrity_check"), ask(other, "pragma integrity_check")
    one.close(), other.close()


@case
def a_log_is_moved():
    path, one, _ = fresh("wal")
    for n in range(10):
        ask(one, "insert into t values (?)", [n])
    yield os.path.getsize(path + "-wal") > 0, ask(one, "pragma wal_checkpoint(truncate)"), os.path.getsize(path + "-wal")
    partner = Partner(path)
    yield partner.ask("begin"), partner.ask("select count(*) from t"), ask(one, "insert into t values (10)")
    yield ask(one, "pragma wal_checkpoint(passive)"), ask(one, "pragma wal_checkpoint(restart)")[0][0]
    yield partner.ask("select count(*) from t"), partner.ask("commit"), partner.ask("select count(*) from t")
    yield ask(one, "pragma wal_checkpoint(restart)"), partner.ask("insert into t values (11)")
    yield ask(one, "select count(*) from t"), partner.end(), ask(one, "pragma journal_mode=delete"), beside(path)
    one.close()


@case
def a_log_of_a_read_only_connection():
    path, one, _ = fresh("wal")
    ask(one, "insert into t values (1)")
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0, isolation_level=None)
    yield ask(reader, "select * from t"), ask(reader, "insert into t values (2)")
    yield ask(one, "insert into t values (3)"), ask(reader, "select * from t")
    reader.close(), one.close()


@case
def a_mode_of_locking():
    path, one, _ = fresh("wal")
    other = again(path)
    yield ask(one, "pragma locking_mode=exclusive"), ask(one, "insert into t values (1)")
    yield ask(other, "select * from t"), ask(one, "pragma locking_mode=normal"), ask(one, "select * from t")
    yield ask(other, "select * from t")
    one.close(), other.close()
    memory = sqlite3.connect(":memory:")
    yield ask(memory, "pragma journal_mode=wal")


if __name__ == "__main__":
    tell(CASES)
