"""Locks on files, between descriptors, threads and processes; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. No outcome depends on who is faster.
"""

import errno
import fcntl
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading

from told import tell

CASES = {}
FOLDER = tempfile.mkdtemp()
LAYOUT = "hhqqi4x"


def case(function):
    CASES[function.__name__] = function
    return function


def fresh(data=b"0123456789"):
    handle, path = tempfile.mkstemp(dir=FOLDER)
    os.write(handle, data)
    os.close(handle)
    return path


def tried(function, *args):
    """What a call came to: its result, or the kind and number of its error."""
    try:
        return function(*args)
    except OSError as error:
        return [type(error).__name__, errno.errorcode.get(error.errno)]
    except Exception as error:
        return [type(error).__name__, str(error)]


def flock(file, how):
    return tried(fcntl.flock, file, how)


def lockf(file, how, *where):
    return tried(fcntl.lockf, file, how, *where)


NOW, SHARED, EXCLUSIVE, FREE = fcntl.LOCK_NB, fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN

CHILD = """
import errno, fcntl, os, sys
def tried(*args):
    try:
        return args[0](*args[1:])
    except OSError as error:
        return errno.errorcode[error.errno]
path = sys.argv[1]
"""


def child(code, path, **options):
    """Runs code in a process of its own; what it prints."""
    run = subprocess.run([sys.executable, "-c", CHILD + code, path], capture_output=True, text=True, **options)
    return [run.returncode, run.stdout.split(), run.stderr[-200:]]


class Holder:
    """A process that holds a lock until it is told to end."""

    def __init__(self, code, path):
        code = CHILD + code + "\nprint('held', flush=True)\nsys.stdin.read()\n"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-c", code, path], stdin=pipe, stdout=pipe, text=True)
        self.said = self.process.stdout.readline()

    def end(self):
        self.process.communicate()
        return self.process.returncode


def found(file, kind, start=0, length=0, command=fcntl.F_GETLK):
    wanted = struct.pack(LAYOUT, kind, os.SEEK_SET, start, length, 0)
    return list(struct.unpack(LAYOUT, fcntl.fcntl(file, command, wanted)))


# ---- flock: one lock for each open of a file
@case
def a_second_open_is_kept_out():
    path = fresh()
    with open(path) as one, open(path) as other:
        yield flock(one, EXCLUSIVE)
        yield flock(other, EXCLUSIVE | NOW)
        yield flock(other, SHARED | NOW)
        yield flock(one, EXCLUSIVE | NOW)
        yield flock(one, FREE)
        yield flock(other, EXCLUSIVE | NOW)


@case
def the_error_of_a_held_lock():
    path = fresh()
    with open(path) as one, open(path) as other:
        fcntl.flock(one, EXCLUSIVE)
        try:
            fcntl.flock(other, EXCLUSIVE | NOW)
        except BlockingIOError as error:
            yield str(error), error.errno == errno.EWOULDBLOCK, error.filename


@case
def readers_share():
    path = fresh()
    with open(path) as one, open(path) as other, open(path) as third:
        yield flock(one, SHARED), flock(other, SHARED | NOW)
        yield flock(third, EXCLUSIVE | NOW)
        yield flock(one, FREE), flock(third, EXCLUSIVE | NOW)
        yield flock(other, FREE), flock(third, EXCLUSIVE | NOW)


@case
def a_lock_that_is_changed_is_given_up_first():
    path = fresh()
    with open(path) as one, open(path) as other:
        yield flock(one, SHARED), flock(other, SHARED)
        yield flock(one, EXCLUSIVE | NOW)
        yield flock(other, EXCLUSIVE | NOW)
        yield flock(one, SHARED | NOW)
        yield flock(other, SHARED | NOW)
        yield flock(one, SHARED | NOW)


@case
def duplicates_are_one_owner():
    path = fresh()
    one, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    copy = os.dup(one)
    yield flock(one, EXCLUSIVE), flock(copy, EXCLUSIVE | NOW)
    os.close(one)
    yield flock(other, EXCLUSIVE | NOW)
    os.close(copy)
    yield flock(other, EXCLUSIVE | NOW)
    os.close(other)


@case
def a_descriptor_that_is_replaced_gives_up():
    path = fresh()
    one, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    null = os.open(os.devnull, os.O_RDONLY)
    yield flock(one, EXCLUSIVE), flock(other, SHARED | NOW)
    os.dup2(null, one)
    yield flock(other, SHARED | NOW)
    for number in (one, other, null):
        os.close(number)


@case
def any_way_of_opening_will_do():
    path = fresh()
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        number = os.open(path, flags)
        yield flock(number, EXCLUSIVE | NOW), flock(number, SHARED | NOW)
        os.close(number)


@case
def folders_can_be_locked():
    one, other = os.open(FOLDER, os.O_RDONLY), os.open(FOLDER, os.O_RDONLY)
    yield flock(one, EXCLUSIVE | NOW), flock(other, EXCLUSIVE | NOW)
    os.close(one)
    yield flock(other, EXCLUSIVE | NOW)
    os.close(other)


@case
def names_do_not_matter():
    path = fresh()
    os.link(path, path + ".too")
    with open(path) as one, open(path + ".too") as other:
        yield flock(one, EXCLUSIVE), flock(other, SHARED | NOW)
        os.rename(path, path + ".new")
        with open(path + ".new") as third:
            yield flock(third, SHARED | NOW)
        os.unlink(path + ".new")
        with open(path, "w") as fourth:
            yield flock(fourth, EXCLUSIVE | NOW)


@case
def what_flock_refuses():
    path = fresh()
    with open(path) as file:
        yield [flock(file, how) for how in (0, NOW, SHARED | EXCLUSIVE, 64)]
        yield flock(file, "x")
    yield flock(file, SHARED)
    yield flock(9999, SHARED), flock(-1, SHARED)


@case
def a_child_keeps_what_it_inherits():
    path = fresh()
    one, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    fcntl.flock(one, EXCLUSIVE)
    code = "import sys\nprint('up', flush=True)\nsys.stdin.read()"
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, pass_fds=[one])
    process.stdout.readline()
    os.close(one)
    yield flock(other, EXCLUSIVE | NOW)
    process.communicate()
    yield flock(other, EXCLUSIVE | NOW)
    os.close(other)


@case
def another_process_is_kept_out():
    path = fresh()
    ask = "f = open(path)\nprint(tried(fcntl.flock, f, fcntl.LOCK_EX | fcntl.LOCK_NB))"
    with open(path) as file:
        yield child(ask, path)
        fcntl.flock(file, SHARED)
        yield child(ask, path)
    yield child(ask, path)


@case
def who_ends_gives_up():
    path = fresh()
    with open(path) as file:
        holder = Holder("f = open(path)\nfcntl.flock(f, fcntl.LOCK_EX)", path)
        yield holder.said, flock(file, SHARED | NOW)
        yield holder.end(), flock(file, SHARED | NOW)
    with open(path) as file:
        holder = Holder("f = open(path)\nfcntl.flock(f, fcntl.LOCK_EX)", path)
        yield flock(file, SHARED | NOW)
        holder.process.kill()
        yield holder.process.wait(), flock(file, SHARED | NOW)
        holder.end()


@case
def a_process_waits_for_a_lock():
    path = fresh()
    with open(path, "r+") as file:
        fcntl.flock(file, EXCLUSIVE)
        code = "f = open(path)\nprint('asks', flush=True)\nfcntl.flock(f, fcntl.LOCK_SH)\nprint(f.read())"
        process = subprocess.Popen([sys.executable, "-c", CHILD + code, path], stdout=subprocess.PIPE, text=True)
        yield process.stdout.readline()
        file.truncate(0)
        file.write("written first")
        file.flush()
        fcntl.flock(file, FREE)
        yield process.communicate()[0], process.returncode


@case
def a_thread_waits_for_a_lock():
    path, order = fresh(), []
    with open(path) as one, open(path) as other:
        fcntl.flock(one, EXCLUSIVE)
        asks = threading.Event()

        def wait():
            asks.set()
            fcntl.flock(other, EXCLUSIVE)
            order.append("thread")

        thread = threading.Thread(target=wait)
        thread.start()
        asks.wait()
        order.append("main")
        fcntl.flock(one, FREE)
        thread.join()
        yield order, flock(one, SHARED | NOW)


@case
def an_alarm_ends_a_wait():
    path = fresh()

    def ring(number, frame):
        raise TimeoutError("rang")

    before = signal.signal(signal.SIGALRM, ring)
    with open(path) as one, open(path) as other:
        fcntl.flock(one, EXCLUSIVE)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        yield tried(fcntl.flock, other, EXCLUSIVE)
        signal.setitimer(signal.ITIMER_REAL, 0)
        yield flock(one, FREE), flock(other, EXCLUSIVE | NOW)
    signal.signal(signal.SIGALRM, before)


@case
def many_take_turns():
    path = fresh(b"0")
    code = """
for _ in range(20):
    with open(path, "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        n = int(f.read())
        f.seek(0)
        f.write(str(n + 1))
"""
    processes = [subprocess.Popen([sys.executable, "-c", CHILD + code, path]) for _ in range(4)]
    yield [process.wait() for process in processes]
    with open(path) as file:
        yield file.read()


# ---- lockf: locks of a process on ranges
@case
def a_process_is_one_owner():
    path = fresh()
    with open(path, "r+") as one, open(path, "r+") as other:
        yield lockf(one, EXCLUSIVE | NOW), lockf(other, EXCLUSIVE | NOW)


ASK = """
f = open(path, "r+")
for how, length, start in [(fcntl.LOCK_EX, 0, 0), (fcntl.LOCK_SH, 0, 0), (fcntl.LOCK_EX, 1, 0), (fcntl.LOCK_EX, 3, 4), (fcntl.LOCK_EX, 0, 9)]:
    print(tried(fcntl.lockf, f, how | fcntl.LOCK_NB, length, start))
    fcntl.lockf(f, fcntl.LOCK_UN)
"""


@case
def ranges_of_another_process():
    path = fresh()
    with open(path, "r+") as file:
        yield child(ASK, path)
        yield lockf(file, EXCLUSIVE, 3, 4), child(ASK, path)
        yield lockf(file, SHARED, 3, 4), child(ASK, path)
        yield lockf(file, EXCLUSIVE, 0, 6), child(ASK, path)
        yield lockf(file, FREE, 3, 4), child(ASK, path)
        yield lockf(file, FREE), child(ASK, path)


@case
def where_a_range_starts():
    path = fresh()
    with open(path, "r+b", buffering=0) as file:
        file.seek(4)
        yield lockf(file, EXCLUSIVE, 3, 0, os.SEEK_CUR), child(ASK, path)
        fcntl.lockf(file, FREE)
        yield lockf(file, EXCLUSIVE, 1, -1, os.SEEK_END), child(ASK, path)
        fcntl.lockf(file, FREE)
        yield lockf(file, EXCLUSIVE, -3, 7), child(ASK, path)
        yield lockf(file, EXCLUSIVE, 1, -1), lockf(file, EXCLUSIVE, -5, 2), lockf(file, EXCLUSIVE, 1, 0, 7)


@case
def closing_any_descriptor_gives_up():
    path = fresh()
    file = open(path, "r+")
    fcntl.lockf(file, EXCLUSIVE)
    yield child(ASK, path)[1][0]
    open(path).close()
    yield child(ASK, path)[1][0]
    fcntl.lockf(file, EXCLUSIVE)
    os.close(os.dup(file.fileno()))
    yield child(ASK, path)[1][0]
    file.close()


@case
def children_do_not_inherit_ranges():
    path = fresh()
    with open(path, "r+") as file:
        fcntl.lockf(file, EXCLUSIVE)
        code = "print(tried(fcntl.lockf, int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB))"
        yield child(code, str(file.fileno()), pass_fds=[file.fileno()])


@case
def what_lockf_refuses():
    path = fresh()
    reader, writer = os.open(path, os.O_RDONLY), os.open(path, os.O_WRONLY)
    yield lockf(reader, EXCLUSIVE | NOW), lockf(reader, SHARED | NOW), lockf(reader, FREE)
    yield lockf(writer, SHARED | NOW), lockf(writer, EXCLUSIVE | NOW)
    yield lockf(reader, 0), lockf(reader, 64), lockf(9999, SHARED)
    os.close(reader)
    os.close(writer)


@case
def the_two_kinds_do_not_meet():
    path = fresh()
    with open(path, "r+") as one, open(path, "r+") as other:
        yield flock(one, EXCLUSIVE | NOW), lockf(other, EXCLUSIVE | NOW)
        yield child(ASK, path)[1][0], flock(other, SHARED | NOW)


@case
def who_is_in_the_way():
    path = fresh()
    with open(path, "r+") as file:
        yield found(file, fcntl.F_WRLCK)
        holder = Holder("f = open(path, 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX, 2, 3)\nfcntl.lockf(f, fcntl.LOCK_SH, 4, 10)", path)
        for kind, start, length in [(fcntl.F_WRLCK, 0, 0), (fcntl.F_RDLCK, 4, 1), (fcntl.F_RDLCK, 5, 0), (fcntl.F_WRLCK, 5, 0), (fcntl.F_WRLCK, 0, 3)]:
            *lock, pid = found(file, kind, start, length)
            yield lock, pid == holder.process.pid, pid == 0
        holder.end()
        yield found(file, fcntl.F_WRLCK)


@case
def a_process_waits_for_a_range():
    path = fresh()
    with open(path, "r+") as file:
        fcntl.lockf(file, EXCLUSIVE, 1)
        code = "f = open(path, 'r+')\nfcntl.lockf(f, fcntl.LOCK_EX, 1, 5)\nprint('asks', flush=True)\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('has')"
        process = subprocess.Popen([sys.executable, "-c", CHILD + code, path], stdout=subprocess.PIPE, text=True)
        yield process.stdout.readline(), lockf(file, SHARED | NOW, 1, 5)
        fcntl.lockf(file, FREE)
        yield process.communicate()[0], process.returncode


@case
def lockf_of_os():
    path = fresh()
    with open(path, "r+b", buffering=0) as file:
        number = file.fileno()
        yield tried(os.lockf, number, os.F_TEST, 0), tried(os.lockf, number, os.F_LOCK, 0)
        yield child(ASK, path)[1]
        file.seek(4)
        yield tried(os.lockf, number, os.F_ULOCK, 0), child(ASK, path)[1]
        file.seek(0)
        yield tried(os.lockf, number, os.F_ULOCK, 0), tried(os.lockf, number, 9, 0)
        holder = Holder("f = open(path, 'r+')\nfcntl.lockf(f, fcntl.LOCK_SH, 2, 0)", path)
        yield tried(os.lockf, number, os.F_TEST, 2), tried(os.lockf, number, os.F_TLOCK, 2)
        file.seek(2)
        yield tried(os.lockf, number, os.F_TEST, 2), tried(os.lockf, number, os.F_TLOCK, -1)
        holder.end()


@case
def ranges_of_a_description():
    path = fresh()
    with open(path, "r+") as one, open(path, "r+") as other:
        lock = struct.pack(LAYOUT, fcntl.F_WRLCK, os.SEEK_SET, 2, 3, 0)
        take = lambda file: tried(lambda: bool(fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)))
        yield take(one), take(other), lockf(other, SHARED | NOW), lockf(other, EXCLUSIVE | NOW, 2)
        yield found(other, fcntl.F_RDLCK, command=fcntl.F_OFD_GETLK)
        one.close()
        yield take(other)


# ---- what stands on locks
@case
def databases_of_two_processes():
    path = fresh(b"")
    code = """
import sqlite3
database = sqlite3.connect(path, timeout=0)
for statement in ["select count(*) from t", "insert into t values (1)"]:
    try:
        with database:
            print(database.execute(statement).fetchall())
    except sqlite3.Error as error:
        print(type(error).__name__, error)
"""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("create table t (n)")
    yield child(code, path)
    database.execute("begin immediate")
    yield child(code, path)
    database.execute("commit")
    database.execute("begin exclusive")
    yield child(code, path)
    database.execute("rollback")
    yield child(code, path)
    database.close()


@case
def databases_of_one_process():
    path = fresh(b"")
    one, other = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    one.execute("create table t (n)")
    one.execute("begin exclusive")
    yield tried(lambda: other.execute("select * from t").fetchall())
    one.execute("commit")
    yield tried(lambda: other.execute("select * from t").fetchall())
    one.close()
    other.close()


if __name__ == "__main__":
    tell(CASES)
