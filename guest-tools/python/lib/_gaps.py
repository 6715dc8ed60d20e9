"""What CPython leaves out on WASI and programs for Linux take for granted; filled in before the snapshot.

Only what can be done in earnest, or refused as Linux would refuse it to such a process. What cannot be (fork,
FIFOs, ownership) stays absent, so that `hasattr` tells the truth.
"""

import errno
import os
import sys

HOSTNAME = "playpen"


def before_imports():
    """What modules look at when they are imported: the network, and threads numbered as processes are."""
    import _sockets
    import _thread

    _sockets.__name__ = "_socket"
    sys.modules["_socket"] = _sockets

    def get_native_id():
        return os.getpid() + _thread.get_ident() - 1

    _add(_thread, get_native_id=get_native_id)
    _add(os, statvfs=_statvfs, fstatvfs=_fstatvfs)
    os.supports_fd.add(os.statvfs)


def install():
    _errno()
    _os()
    _settings()
    _fcntl()
    _signal()
    _time()
    _linux()


def _linux():
    """Programs ask for the platform to choose what to call; the calls here are Linux's."""
    import platform

    # What was imported until now has chosen already, by what is really there.
    sys.platform = "linux"
    platform._uname_cache = None

    def uname():
        return os.uname_result(("Linux", _hostname(), "6.1.0", "#1 SMP playpen", "wasm32"))

    uname.__module__, uname.__qualname__ = "posix", "uname"
    os.uname = sys.modules["posix"].uname = uname


def _hostname():
    try:
        with open("/etc/hostname", encoding="utf-8") as file:
            return file.read().strip() or HOSTNAME
    except OSError:
        return HOSTNAME


def _errno():
    import _playpen

    for name, number in _playpen.errors().items():
        setattr(errno, name, number)
        errno.errorcode.setdefault(number, name)
    # CPython takes the one for the other where a platform has no ESHUTDOWN.
    errno.errorcode[errno.EPIPE] = "EPIPE"
    errno.EWOULDBLOCK, errno.EOPNOTSUPP = errno.EAGAIN, errno.ENOTSUP
    errno.EDEADLOCK = errno.EDEADLK
    # WASI has one more, for which there is EACCES.
    errno.errorcode[errno.EACCES] = "EACCES"
    vars(errno).pop("ENOTCAPABLE", None)


def _fail(number, *more):
    raise OSError(number, os.strerror(number), *more)


def _add(module, **functions):
    for name, function in functions.items():
        if not hasattr(module, name):
            function.__module__, function.__qualname__, function.__name__ = module.__name__, name, name
            setattr(module, name, function)


def _fileno(fd):
    return fd if isinstance(fd, int) else fd.fileno()


def _os():
    import collections
    import time

    import _playpen

    terminal_size = collections.namedtuple("terminal_size", "columns lines")
    terminal_size.__module__ = "os"
    os.terminal_size = getattr(os, "terminal_size", terminal_size)

    def get_terminal_size(fd=1, /):
        os.fstat(fd)
        _fail(errno.ENOTTY)

    def getloadavg():
        return (0.0, 0.0, 0.0)

    def getlogin():
        _fail(errno.ENXIO)

    def times():
        computed, of_children, _, _ = _playpen.usage()
        return os.times_result((computed / 1e9, 0.0, of_children / 1e9, 0.0, time.monotonic()))

    times.__module__, times.__qualname__ = "posix", "times"
    os.times = sys.modules["posix"].times = times

    niceness = 0

    def getpriority(which, who):
        return niceness

    def nice(increment, /):
        nonlocal niceness
        niceness = max(-20, min(19, niceness + increment))
        return niceness

    def sched_getaffinity(pid, /):
        return {0}

    def sched_setaffinity(pid, mask, /):
        if 0 not in set(mask):
            _fail(errno.EINVAL)

    def setpriority(which, who, priority, /):
        nonlocal niceness
        niceness = max(-20, min(19, priority))

    def sched_getscheduler(pid, /):
        return os.SCHED_OTHER

    def sched_get_priority_min(policy, /):
        return int(policy in (os.SCHED_FIFO, os.SCHED_RR))

    def sched_get_priority_max(policy, /):
        return 99 if policy in (os.SCHED_FIFO, os.SCHED_RR) else 0

    def setpgrp():
        os.setpgid(0, 0)

    def initgroups(user, group, /):
        setgroups([group])

    def getresuid():
        return (0, 0, 0)

    def getresgid():
        return (0, 0, 0)

    def getgrouplist(user, group, /):
        return [group]

    def set_ids(*ids):
        if any(ids):
            _fail(errno.EPERM)

    def setgroups(groups, /):
        if any(groups):
            _fail(errno.EPERM)

    def ctermid():
        return "/dev/tty"

    def ttyname(fd, /):
        os.fstat(fd)
        _fail(errno.ENOTTY)

    def tcgetpgrp(fd, /):
        os.fstat(fd)
        _fail(errno.ENOTTY)

    def tcsetpgrp(fd, pgid, /):
        os.fstat(fd)
        _fail(errno.ENOTTY)

    def openpty():
        _fail(errno.ENOENT)

    def sync():
        pass

    def major(device, /):
        return (device >> 8) & 0xFFF

    def minor(device, /):
        return (device & 0xFF) | ((device >> 12) & 0xFFF00)

    def makedev(major, minor, /):
        return (major & 0xFFF) << 8 | (minor & 0xFF) | (minor & 0xFFF00) << 12

    def getrandom(size, flags=0):
        return os.urandom(size)

    def readv(fd, buffers, /):
        return _scatter(lambda n: os.read(fd, n), buffers)

    def preadv(fd, buffers, offset, flags=0, /):
        return _scatter(lambda n: os.pread(fd, n, offset), buffers)

    def writev(fd, buffers, /):
        return os.write(fd, b"".join(bytes(buffer) for buffer in buffers))

    def pwritev(fd, buffers, offset, flags=0, /):
        return os.pwrite(fd, b"".join(bytes(buffer) for buffer in buffers), offset)

    def sendfile(out_fd, in_fd, offset, count):
        data = os.read(in_fd, count) if offset is None else os.pread(in_fd, count, offset)
        return os.write(out_fd, data) if data else 0

    def copy_file_range(src, dst, count, offset_src=None, offset_dst=None):
        data = os.read(src, count) if offset_src is None else os.pread(src, count, offset_src)
        return os.write(dst, data) if offset_dst is None else os.pwrite(dst, data, offset_dst)

    def posix_fallocate(fd, offset, length, /):
        if os.fstat(fd).st_size < offset + length:
            os.ftruncate(fd, offset + length)

    def lockf(fd, command, length, /):
        _lockf(fd, command, length)

    def no_attributes(path, *args, **kwargs):
        os.stat(path)
        _fail(errno.ENOTSUP, path)

    def listxattr(path=None, *, follow_symlinks=True):
        os.stat("." if path is None else path)
        return []

    def posix_spawn(path, argv, env, *, file_actions=(), **options):
        return _spawn(path, argv, env, file_actions)

    def posix_spawnp(path, argv, env, *, file_actions=(), **options):
        return _spawn(path, argv, env, file_actions, search=True)

    def wait4(pid, options):
        pid, status = os.waitpid(pid, options)
        return pid, status, _usage()

    def wait3(options):
        return wait4(-1, options)

    import posix

    functions = dict(locals())
    for name in ("collections", "terminal_size", "no_attributes", "set_ids", "niceness", "posix"):
        functions.pop(name)
    _add(os, **functions)
    for name in "setuid seteuid setgid setegid setreuid setregid setresuid setresgid".split():
        if not hasattr(os, name):
            setattr(os, name, lambda *ids: set_ids(*ids))
    for name in ("getxattr", "setxattr", "removexattr"):
        if not hasattr(os, name):
            setattr(os, name, no_attributes)
    numbers = dict(
        F_LOCK=1, F_TLOCK=2, F_ULOCK=0, F_TEST=3, PRIO_PROCESS=0, PRIO_PGRP=1, PRIO_USER=2, P_ALL=0, P_PID=1,
        P_PGID=2, WEXITED=4, WSTOPPED=2, WNOWAIT=0x1000000, POSIX_SPAWN_OPEN=0, POSIX_SPAWN_CLOSE=1,
        POSIX_SPAWN_DUP2=2, SCHED_OTHER=0, ST_RDONLY=1, ST_NOSUID=2, XATTR_CREATE=1, XATTR_REPLACE=2,
        P_WAIT=0, P_NOWAIT=1, P_NOWAITO=1, GRND_NONBLOCK=1, GRND_RANDOM=2, SCHED_FIFO=1, SCHED_RR=2,
        SCHED_BATCH=3, SCHED_IDLE=5, SCHED_RESET_ON_FORK=0x40000000, CLD_EXITED=1, CLD_KILLED=2, CLD_DUMPED=3,
        CLD_TRAPPED=4, CLD_STOPPED=5, CLD_CONTINUED=6, ST_NODEV=4, ST_NOEXEC=8, ST_SYNCHRONOUS=16, ST_MANDLOCK=64,
        ST_WRITE=128, ST_APPEND=256, ST_NOATIME=1024, ST_NODIRATIME=2048, ST_RELATIME=4096, TMP_MAX=238328,
        XATTR_SIZE_MAX=65536, RTLD_LAZY=1, RTLD_NOW=2, RTLD_NOLOAD=4, RTLD_DEEPBIND=8, RTLD_GLOBAL=256,
        RTLD_LOCAL=0, RTLD_NODELETE=4096,
    )  # fmt: skip
    os.NGROUPS_MAX = posix.NGROUPS_MAX = 65536
    for name, number in numbers.items():
        if not hasattr(os, name):
            setattr(os, name, number)
    os.supports_fd.add(os.stat)
    for name in dir(os):
        if not name.startswith("_") and not hasattr(posix, name) and callable(getattr(os, name)):
            if getattr(getattr(os, name), "__module__", None) == "os" and name in functions:
                setattr(posix, name, getattr(os, name))
    _spawn_family()


def _statvfs(path, /):
    os.stat(path)
    return os.statvfs_result((4096, 4096, 262144, 262144, 262144, 200000, 200000, 200000, 0, 255))


def _fstatvfs(fd, /):
    os.fstat(fd)
    return _statvfs("/")


def _settings():
    """What wasi-libc answers to questions about the system is not what holds here."""
    import select

    select.PIPE_BUF = 4096
    values = dict(
        SC_PAGESIZE=4096, SC_PAGE_SIZE=4096, SC_OPEN_MAX=1024, SC_CHILD_MAX=256, SC_ARG_MAX=2 << 20,
        SC_NGROUPS_MAX=65536, SC_PHYS_PAGES=262144, SC_AVPHYS_PAGES=262144, SC_LINE_MAX=2048,
        SC_SEM_VALUE_MAX=0x7FFFFFFF, SC_THREAD_KEYS_MAX=1024, SC_GETPW_R_SIZE_MAX=1024, SC_GETGR_R_SIZE_MAX=1024,
    )  # fmt: skip
    values = {os.sysconf_names[name]: value for name, value in values.items() if name in os.sysconf_names}
    of_libc, of_paths, of_files = os.sysconf, os.pathconf, os.fpathconf
    pipe = os.pathconf_names["PC_PIPE_BUF"]

    def sysconf(name, /):
        known = values.get(os.sysconf_names.get(name) if isinstance(name, str) else name)
        return of_libc(name) if known is None else known

    def pathconf(path, name):
        os.stat(path)
        found = of_paths(path, name)
        return 4096 if name in (pipe, "PC_PIPE_BUF") else found

    def fpathconf(fd, name, /):
        found = of_files(fd, name)
        return 4096 if name in (pipe, "PC_PIPE_BUF") else found

    for function in (sysconf, pathconf, fpathconf):
        name = function.__name__
        function.__module__, function.__qualname__ = "posix", name
        setattr(os, name, function)
        setattr(sys.modules["posix"], name, function)
    os.supports_fd.add(pathconf)


def _fcntl():
    import fcntl

    numbers = dict(
        F_OFD_GETLK=36, F_OFD_SETLK=37, F_OFD_SETLKW=38, F_GETLK64=5, F_SETLK64=6, F_SETLKW64=7, F_EXLCK=4, F_SHLCK=8,
        LOCK_MAND=32, LOCK_READ=64, LOCK_WRITE=128, LOCK_RW=192,
    )  # fmt: skip
    for name, number in numbers.items():
        if not hasattr(fcntl, name):
            setattr(fcntl, name, number)


def _lockf(fd, command, length):
    """As libc's: from where the file is at, over the locks of `fcntl`."""
    import fcntl
    import struct

    ways = {os.F_ULOCK: fcntl.LOCK_UN, os.F_LOCK: fcntl.LOCK_EX, os.F_TLOCK: fcntl.LOCK_EX | fcntl.LOCK_NB}
    if command in ways:
        fcntl.lockf(fd, ways[command], length, 0, os.SEEK_CUR)
    elif command != os.F_TEST:
        _fail(errno.EINVAL)
    else:
        layout = "hh4xqqi4x"
        wanted = struct.pack(layout, fcntl.F_RDLCK, os.SEEK_CUR, 0, length, 0)
        if struct.unpack(layout, fcntl.fcntl(fd, fcntl.F_GETLK, wanted))[0] != fcntl.F_UNLCK:
            _fail(errno.EAGAIN)


def _scatter(read, buffers):
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    data = read(sum(len(view) for view in views))
    at = 0
    for view in views:
        part = data[at : at + len(view)]
        view[: len(part)] = part
        at += len(part)
    return len(data)


def _usage():
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN)


def _spawn(path, argv, env, file_actions=(), search=False):
    """posix_spawn over the one way to start a process; file actions are done and undone around it."""
    import _posixsubprocess

    saved = []
    try:
        for action in file_actions:
            _act(action, saved)
        folders = os.get_exec_path(env) if search and "/" not in os.fspath(path) else [""]
        paths = tuple(os.fsencode(os.path.join(folder, path)) for folder in folders)
        variables = [os.fsencode(key) + b"=" + os.fsencode(value) for key, value in env.items()]
        read, write = os.pipe()
        try:
            inherited = tuple(fd for fd in range(3, 64) if _inherited(fd) and fd != write)
            pid = _posixsubprocess.fork_exec(
                [os.fsencode(arg) for arg in argv], paths, True, tuple(sorted({write, *inherited})), None,
                variables, -1, -1, -1, -1, -1, -1, read, write, False, False, -1, None, None, None, -1, None,
                False,
            )  # fmt: skip
            os.close(write)
            write = -1
            report = os.read(read, 4096)
        finally:
            os.close(read)
            if write >= 0:
                os.close(write)
        if report:
            os.waitpid(pid, 0) if pid < 0x7FFFFFFE else None
            _fail(int(report.split(b":")[1], 16), os.fspath(path))
        return pid
    finally:
        for fd, copy in reversed(saved):
            if copy is None:
                os.close(fd)
            else:
                os.dup2(copy, fd)
                os.close(copy)


def _inherited(fd):
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def _act(action, saved):
    kind, fd, *rest = action
    target = rest[0] if kind == os.POSIX_SPAWN_DUP2 else fd
    try:
        saved.append((target, os.dup(target)))
        os.set_inheritable(saved[-1][1], False)
    except OSError:
        saved.append((target, None))
    if kind == os.POSIX_SPAWN_OPEN:
        opened = os.open(*rest)
        os.dup2(opened, fd)
        os.close(opened)
    elif kind == os.POSIX_SPAWN_DUP2:
        os.dup2(fd, target)
    else:
        os.close(fd)


def _spawn_family():
    def run(mode, path, args, env, search):
        pid = _spawn(path, args, os.environ if env is None else env, search=search)
        if mode == os.P_NOWAIT:
            return pid
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def spawnv(mode, file, args):
        return run(mode, file, args, None, False)

    def spawnve(mode, file, args, env):
        return run(mode, file, args, env, False)

    def spawnvp(mode, file, args):
        return run(mode, file, args, None, True)

    def spawnvpe(mode, file, args, env):
        return run(mode, file, args, env, True)

    def spawnl(mode, file, *args):
        return run(mode, file, args, None, False)

    def spawnle(mode, file, *args):
        return run(mode, file, args[:-1], args[-1], False)

    def spawnlp(mode, file, *args):
        return run(mode, file, args, None, True)

    def spawnlpe(mode, file, *args):
        return run(mode, file, args[:-1], args[-1], True)

    functions = {name: it for name, it in locals().items() if name.startswith("spawn")}
    _add(os, **functions)


def _signal():
    import math
    import operator
    import signal

    import _playpen

    def valid_signals():
        return {signal._int_to_enum(number, signal.Signals) for number in range(1, 65) if number not in (32, 33)}

    def siginterrupt(number, flag, /):
        pass  # what is interrupted goes on after the handler

    class ItimerError(OSError):
        pass

    ItimerError.__module__, ItimerError.__qualname__, ItimerError.__name__ = "signal", "itimer_error", "itimer_error"

    def checked(which):
        if which != signal.ITIMER_REAL:  # no others are kept
            raise ItimerError(errno.EINVAL, os.strerror(errno.EINVAL))

    def alarm(seconds, /):
        left, _ = _playpen.alarm(operator.index(seconds), 0)
        return math.ceil(left)

    def setitimer(which, seconds, interval=0.0, /):
        checked(which)
        if seconds < 0 or interval < 0:
            raise ItimerError(errno.EINVAL, os.strerror(errno.EINVAL))
        return _playpen.alarm(seconds, interval)

    def getitimer(which, /):
        checked(which)
        return _playpen.alarm(-1, 0)

    def pause():
        _playpen.pause()

    def pthread_kill(thread, number, /):
        import threading

        if thread not in threading._active:
            _fail(errno.ESRCH)
        # Whichever thread gets it, a handler runs in the first one, and what has none ends the process.
        os.kill(os.getpid(), number)

    for name, number in dict(ITIMER_REAL=0, ITIMER_VIRTUAL=1, ITIMER_PROF=2).items():
        setattr(signal, name, number)
    signal.ItimerError = ItimerError
    _add(signal, alarm=alarm, setitimer=setitimer, getitimer=getitimer, pause=pause)
    _add(signal, valid_signals=valid_signals, siginterrupt=siginterrupt, pthread_kill=pthread_kill)
    for name, number in dict(SIGRTMIN=34, SIGRTMAX=64, SIGCLD=17).items():
        if not hasattr(signal, name):
            setattr(signal, name, number)


def _time():
    import time

    import _playpen

    def tzset():
        _playpen.tzset()
        year = (365 * 24 + 6) * 3600
        start = int(time.time()) // year * year
        winter, summer = time.localtime(start), time.localtime(start + year // 2)
        if winter.tm_gmtoff > summer.tm_gmtoff:
            winter, summer = summer, winter
        time.timezone, time.altzone = -winter.tm_gmtoff, -summer.tm_gmtoff
        time.daylight = int(winter.tm_gmtoff != summer.tm_gmtoff)
        time.tzname = (winter.tm_zone, summer.tm_zone)

    def thread_time():
        return time.process_time()

    def thread_time_ns():
        return time.process_time_ns()

    _add(time, tzset=tzset, thread_time=thread_time, thread_time_ns=thread_time_ns)
