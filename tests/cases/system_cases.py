"""What Python says of the system it runs on, and calls that few programs make; prints one JSON line a case.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. What rightly differs (word size, machine,
limits in numbers) is not printed.
"""

import errno
import fcntl
import inspect
import json
import mmap
import os
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import threading
import time

CASES = {}
FOLDER = tempfile.mkdtemp()


def case(function):
    CASES[function.__name__] = function
    return function


def tried(function, *args, **options):
    try:
        return function(*args, **options)
    except OSError as error:
        return [type(error).__name__, errno.errorcode.get(error.errno)]
    except Exception as error:
        return [type(error).__name__, str(error)]


def numbers(module, *prefixes):
    names = [name for name in dir(module) if name.isupper() and name.startswith(prefixes)]
    return {name: getattr(module, name) for name in names if isinstance(getattr(module, name), int)}


@case
def modules_say_where_they_are():
    library = os.path.dirname(os.__file__)
    frozen = "abc codecs io site stat posixpath genericpath _collections_abc importlib.util importlib.machinery runpy".split()
    for name in ["os", *frozen]:
        module = __import__(name, fromlist=["_"])
        yield name, os.path.relpath(module.__file__, library), os.path.exists(module.__file__)
    yield os.path.relpath(inspect.getsourcefile(os), library), len(inspect.getsource(os)) > 1000
    yield sys._stdlib_dir == library, os.__spec__.origin, os.__spec__.loader_state.origname


@case
def errors_have_linux_names():
    yield sorted((number, name) for number, name in errno.errorcode.items() if name != "EDEADLOCK" and name != "EDEADLK")
    yield sorted(name for name in dir(errno) if name.startswith("E")), errno.EDEADLK == errno.EDEADLOCK


@case
def numbers_of_terminals():
    yield numbers(termios, "")


@case
def numbers_of_maps():
    yield numbers(mmap, "MAP_", "MADV_", "PROT_", "ACCESS_")


@case
def numbers_of_limits():
    yield numbers(resource, "RLIM", "RUSAGE")


@case
def numbers_of_locks():
    yield {name: getattr(fcntl, name) for name in dir(fcntl) if name.startswith(("LOCK_", "F_OFD", "F_SETLK", "F_GETLK", "F_RD", "F_WR", "F_UN"))}


@case
def numbers_of_os():
    yield numbers(os, "SCHED_", "CLD_", "ST_", "RTLD_", "EX_", "F_", "P_ALL", "PRIO_", "W", "SEEK_SET", "TMP_MAX", "XATTR_")


@case
def answers_of_sysconf():
    for name in "SC_PAGESIZE SC_PAGE_SIZE SC_CLK_TCK SC_NGROUPS_MAX SC_ARG_MAX SC_IOV_MAX SC_LINE_MAX SC_SEM_VALUE_MAX".split():
        yield name, os.sysconf(name), os.sysconf(os.sysconf_names[name])
    yield [os.sysconf(name) > 0 for name in ("SC_OPEN_MAX", "SC_PHYS_PAGES", "SC_AVPHYS_PAGES", "SC_NPROCESSORS_ONLN", "SC_CHILD_MAX")]
    yield tried(os.sysconf, "SC_NO_SUCH"), tried(os.sysconf, 99999)
    yield os.pathconf("/tmp", "PC_PIPE_BUF"), os.pathconf("/tmp", "PC_NAME_MAX"), select.PIPE_BUF
    yield tried(os.pathconf, "/no/such", "PC_NAME_MAX"), tried(os.pathconf, "/tmp", "PC_NO"), os.pathconf in os.supports_fd
    read, write = os.pipe()
    yield os.fpathconf(read, "PC_PIPE_BUF"), tried(os.fpathconf, 9999, "PC_PIPE_BUF")
    os.close(read), os.close(write)


@case
def limits_are_kept():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits[0] >= 256, limits[0] <= limits[1] or limits[1] == -1
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    yield resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.prlimit(0, resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    yield resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    yield tried(resource.getrlimit, 99), tried(resource.getrlimit, "x"), tried(resource.setrlimit, resource.RLIMIT_CORE, (5, 1))
    yield tried(resource.setrlimit, resource.RLIMIT_CORE, 5), tried(resource.setrlimit, resource.RLIMIT_CORE, (1, 2, 3))
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    yield resource.getrlimit(resource.RLIMIT_CPU)


@case
def usage_grows():
    before, times = resource.getrusage(resource.RUSAGE_SELF), os.times()
    while time.process_time() < before.ru_utime + before.ru_stime + 0.05:
        sum(range(1000))
    after, later = resource.getrusage(resource.RUSAGE_SELF), os.times()
    yield after.ru_utime + after.ru_stime > before.ru_utime + before.ru_stime, after.ru_maxrss > 1000, len(after)
    yield later.user + later.system > times.user + times.system, later.user < 1000, later.children_user < 1000
    child = [sys.executable, "-c", "sum(range(10**6))"]
    yield subprocess.run(child).returncode, os.times().children_user + os.times().children_system > 0
    yield later.elapsed > times.elapsed, tried(resource.getrusage, 77)


@case
def folders_by_descriptor():
    for name in ("b", "a", "c"):
        open(os.path.join(FOLDER, name), "w").close()
    os.makedirs(os.path.join(FOLDER, "d", "e"))
    number = os.open(FOLDER, os.O_RDONLY)
    yield sorted(os.listdir(number)), sorted(os.listdir(number))
    with os.scandir(number) as entries:
        yield sorted((it.name, it.path, it.is_dir(), it.is_file(), it.stat().st_size == 0 or it.is_dir()) for it in entries)
    yield [(path, sorted(folders), sorted(files)) for path, folders, files, _ in os.fwalk(".", dir_fd=number)]
    yield os.stat("d", dir_fd=number).st_mode == os.stat(os.path.join(FOLDER, "d")).st_mode
    os.close(number)
    yield tried(os.listdir, number), tried(lambda: list(os.scandir(number)))
    file = os.open(os.path.join(FOLDER, "a"), os.O_RDONLY)
    yield tried(os.listdir, file), tried(lambda: list(os.scandir(file)))
    os.close(file)
    for function in (os.listdir, os.scandir, os.stat, os.statvfs, os.truncate, os.utime, os.chmod):
        yield function.__name__, function in os.supports_fd


@case
def trees_are_removed_safely():
    yield shutil.rmtree.avoids_symlink_attacks
    top = tempfile.mkdtemp()
    os.makedirs(os.path.join(top, "x", "y", "z"))
    os.symlink(FOLDER, os.path.join(top, "x", "link"))
    open(os.path.join(top, "x", "y", "file"), "w").close()
    os.symlink(os.path.join(top, "x"), os.path.join(top, "top"))
    yield tried(shutil.rmtree, os.path.join(top, "top")), tried(shutil.rmtree, os.path.join(top, "none"))
    failed = []
    shutil.rmtree(os.path.join(top, "none"), onexc=lambda function, path, error: failed.append((function.__name__, type(error).__name__)))
    yield failed, tried(shutil.rmtree, os.path.join(top, "x", "y", "file"))
    number = os.open(top, os.O_RDONLY)
    shutil.rmtree("x", dir_fd=number)
    os.close(number)
    yield os.listdir(top), os.path.isdir(FOLDER)
    shutil.rmtree(top)


@case
def space_of_disks():
    usage = shutil.disk_usage("/")
    yield len(usage), usage.total >= usage.used + 0, usage.free > 0, type(usage).__name__, tried(shutil.disk_usage, "/no/such")
    number = os.open("/", os.O_RDONLY)
    yield os.fstatvfs(number).f_bsize == os.statvfs("/").f_bsize, len(os.statvfs(number)) == len(os.statvfs("/"))
    os.close(number)
    yield tried(os.fstatvfs, 9999)


@case
def signals_to_threads():
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    yield signal.pthread_kill(threading.get_ident(), signal.SIGUSR1), seen
    yield signal.pthread_kill(threading.main_thread().ident, 0)
    thread = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))
    thread.start()
    thread.join()
    yield seen
    signal.signal(signal.SIGUSR1, before)


@case
def groups_and_priorities():
    yield os.nice(0) >= 0, os.nice(3) - os.nice(0), os.getpriority(os.PRIO_PROCESS, 0) == os.nice(0)
    yield [(os.sched_get_priority_min(policy), os.sched_get_priority_max(policy)) for policy in (0, 1, 2)]
    yield os.sched_getscheduler(0), os.getpgrp() == os.getpgid(0)


@case
def names_of_calls():
    wanted = """access chdir chmod chown close closerange copy_file_range cpu_count dup dup2 environ execv fchmod fchown fdatasync
    fdopen fpathconf fstat fstatvfs fsync ftruncate fwalk get_blocking get_exec_path get_inheritable get_terminal_size getcwd
    getenv getgroups getloadavg getlogin getpgid getpgrp getpid getppid getpriority getrandom getresuid getsid getuid getxattr
    initgroups isatty kill killpg lchown link listdir listxattr lockf lseek lstat major makedev makedirs minor mkdir nice open
    openpty pathconf pipe pipe2 popen posix_fadvise posix_fallocate posix_spawn pread preadv putenv pwrite pwritev read
    readlink readv remove removedirs rename renames replace rmdir scandir sched_get_priority_max sched_getaffinity sched_yield
    sendfile set_blocking set_inheritable setgid setgroups setpgid setpgrp setpriority setsid setuid spawnlp stat statvfs
    strerror symlink sync sysconf system tcgetpgrp times truncate ttyname umask uname unlink unsetenv urandom utime wait wait3
    wait4 waitpid waitstatus_to_exitcode walk write writev"""
    yield [name for name in wanted.split() if not hasattr(os, name)]


@case
def empty_paths():
    for name in "open listdir scandir stat lstat mkdir rmdir unlink readlink chdir utime truncate access chmod".split():
        more = {"open": [os.O_RDONLY], "truncate": [0], "access": [os.F_OK], "chmod": [0o644]}.get(name, [])
        yield name, tried(getattr(os, name), "", *more)
    yield tried(open, ""), tried(open, "", "w"), tried(os.open, "", os.O_RDWR | os.O_CREAT)
    yield tried(os.rename, "", "x"), tried(os.rename, "x", ""), tried(os.link, "", "x"), tried(os.symlink, "x", "")
    yield os.path.exists(""), os.path.isdir(""), os.path.abspath("") == os.getcwd(), tried(os.makedirs, "")


@case
def modes_of_files():
    path = os.path.join(FOLDER, "modes")
    for mode in (0o644, 0o600, 0o755, 0o4755, 0o000, 0o1777):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        os.chmod(path, mode)
        yield stat.filemode(os.stat(path).st_mode), os.access(path, os.X_OK)
        os.unlink(path)


def main():
    for name, function in CASES.items():
        try:
            outcome = list(function())
        except Exception as error:
            outcome = [type(error).__name__, str(error)]
        print(json.dumps({"id": name, "outcome": outcome}), flush=True)


if __name__ == "__main__":
    main()
