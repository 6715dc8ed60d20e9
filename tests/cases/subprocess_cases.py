"""Ways to start and talk to children; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from told import tell

PY = sys.executable
PIPE = subprocess.PIPE
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def python(code, **options):
    return subprocess.run([PY, "-c", code], capture_output=True, text=True, **options)


@case
def run_captures_output():
    done = subprocess.run(["echo", "a", "b c"], capture_output=True)
    return [done.returncode, done.stdout.decode(), done.stderr.decode()]


@case
def run_text_mode():
    return subprocess.run(["printf", "a\\nb\\n"], capture_output=True, text=True).stdout


@case
def run_exit_status():
    return [subprocess.run(["sh", "-c", f"exit {n}"]).returncode for n in (0, 1, 2, 126, 127, 255)]


@case
def run_check_raises():
    try:
        subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        return [error.returncode, error.stdout, error.stderr, error.cmd]


@case
def run_input_bytes():
    return subprocess.run(["cat"], input=b"\x00\xff\n", capture_output=True).stdout.hex()


@case
def run_input_large():
    data = "0123456789abcdef\n" * 40_000
    done = subprocess.run(["cat"], input=data, capture_output=True, text=True)
    return [done.stdout == data, len(done.stdout)]


@case
def run_input_to_a_child_that_does_not_read():
    return subprocess.run(["true"], input=b"x" * 300_000).returncode


@case
def run_devnull():
    done = subprocess.run(["sh", "-c", "cat; echo x"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return done.returncode


@case
def run_stderr_to_stdout():
    command = ["sh", "-c", "echo a; echo b >&2; echo c"]
    return subprocess.run(command, stdout=PIPE, stderr=subprocess.STDOUT, text=True).stdout


@case
def run_to_file():
    with tempfile.TemporaryFile("w+") as file:
        subprocess.run(["sh", "-c", "echo one; echo two >&2"], stdout=file, stderr=file)
        file.seek(0)
        return file.read()


@case
def run_from_file():
    with tempfile.TemporaryFile("w+") as file:
        file.write("b\na\n")
        file.flush()
        file.seek(0)
        return subprocess.run(["sort"], stdin=file, capture_output=True, text=True).stdout


@case
def run_cwd():
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(["pwd"], cwd=folder, capture_output=True, text=True).stdout.strip()
        return os.path.realpath(found) == os.path.realpath(folder)


@case
def run_cwd_that_is_not_there():
    try:
        subprocess.run(["true"], cwd="/no/such/folder")
    except OSError as error:
        return [type(error).__name__, error.errno, error.strerror, error.filename]


@case
def run_env_is_complete():
    done = python("import os; print(sorted(k for k in os.environ if k in ('A', 'HOME')))", env={"A": "1"})
    return [done.stdout, done.returncode]


@case
def run_env_is_inherited():
    os.environ["INHERITED"] = "yes ü"
    return subprocess.run(["sh", "-c", 'echo "$INHERITED"'], capture_output=True, text=True).stdout


@case
def run_program_that_is_not_there():
    try:
        subprocess.run(["no-such-program-anywhere"])
    except OSError as error:
        return [type(error).__name__, error.errno, error.strerror, error.filename, str(error)]


@case
def run_program_without_x_bit():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script")
        with open(path, "w") as file:
            file.write("#!/bin/sh\necho hi\n")
        try:
            subprocess.run([path])
        except OSError as error:
            refused = [type(error).__name__, error.errno, error.strerror]
        os.chmod(path, 0o755)
        return [refused, subprocess.run([path], capture_output=True, text=True).stdout]


@case
def run_a_folder():
    try:
        subprocess.run(["/tmp"])
    except OSError as error:
        return [type(error).__name__, error.errno, error.strerror]


@case
def run_shell():
    done = subprocess.run("echo $((1 + 2)) | sed s/3/three/; exit 4", shell=True, capture_output=True, text=True)
    return [done.stdout, done.returncode]


@case
def run_shell_with_arguments():
    return subprocess.run(["echo $0 $1", "a", "b"], shell=True, capture_output=True, text=True).stdout


@case
def run_shell_not_found():
    done = subprocess.run("no-such-program-anywhere", shell=True, stderr=PIPE)
    return [done.returncode, b"not found" in done.stderr]


@case
def run_timeout():
    started = time.monotonic()
    try:
        subprocess.run(["sleep", "30"], timeout=0.3)
    except subprocess.TimeoutExpired as error:
        return [error.cmd, error.timeout, time.monotonic() - started < 20]


@case
def run_timeout_keeps_output():
    try:
        subprocess.run(["sh", "-c", "echo early; exec sleep 30"], timeout=3, capture_output=True)
    except subprocess.TimeoutExpired as error:
        return error.stdout.decode()


@case
def run_umask_and_session():
    done = subprocess.run(["sh", "-c", "umask"], umask=0o027, start_new_session=True, capture_output=True, text=True)
    return int(done.stdout, 8)


@case
def call_and_check_call():
    found = [subprocess.call(["false"]), subprocess.check_call(["true"])]
    try:
        subprocess.check_call(["false"])
    except subprocess.CalledProcessError as error:
        return [*found, str(error)]


@case
def check_output_works():
    return subprocess.check_output(["tr", "a-z", "A-Z"], input="abc", text=True)


@case
def check_output_universal_newlines():
    return subprocess.check_output(["printf", "a\\r\\nb\\rc"], universal_newlines=True)


@case
def getoutput_and_status():
    return [subprocess.getoutput("echo x; echo y >&2"), *subprocess.getstatusoutput("echo z; exit 7")]


@case
def popen_conversation():
    code = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"
    with subprocess.Popen([PY, "-c", code], stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as child:
        found = []
        for word in ("one", "two", "three"):
            child.stdin.write(word + "\n")
            child.stdin.flush()
            found.append(child.stdout.readline())
        child.stdin.close()
        return [found, child.wait()]


@case
def popen_poll():
    child = subprocess.Popen(["cat"], stdin=PIPE, stdout=PIPE)
    before = child.poll()
    child.communicate(b"")
    return [before, child.poll(), child.returncode]


@case
def popen_pipeline():
    first = subprocess.Popen(["printf", "b\\na\\nb\\n"], stdout=PIPE)
    second = subprocess.Popen(["sort", "-u"], stdin=first.stdout, stdout=PIPE, text=True)
    first.stdout.close()
    out, _ = second.communicate()
    return [out, first.wait(), second.returncode]


@case
def popen_wait_timeout():
    child = subprocess.Popen(["sleep", "30"])
    try:
        child.wait(0.2)
    except subprocess.TimeoutExpired as error:
        child.kill()
        return [str(error), child.wait()]


@case
def popen_communicate_timeout():
    child = subprocess.Popen(["sh", "-c", "echo a; exec sleep 30"], stdout=PIPE)
    try:
        child.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        child.kill()
        return [child.communicate()[0].decode(), child.returncode]


@case
def popen_terminate_and_kill():
    found = []
    for stop in (subprocess.Popen.terminate, subprocess.Popen.kill):
        child = subprocess.Popen(["sleep", "30"])
        stop(child)
        found.append(child.wait())
    return found


@case
def popen_send_signal():
    child = subprocess.Popen(["sleep", "30"])
    child.send_signal(signal.SIGUSR1)
    return child.wait()


@case
def popen_both_streams_large():
    code = "import sys\nfor i in range(20000): print(i); print(i, file=sys.stderr)"
    child = subprocess.Popen([PY, "-c", code], stdout=PIPE, stderr=PIPE)
    out, err = child.communicate()
    return [len(out), len(err), out == err]


@case
def popen_iterate():
    with subprocess.Popen(["seq", "5"], stdout=PIPE, text=True) as child:
        return [line.strip() for line in child.stdout]


@case
def popen_pass_fds():
    read, write = os.pipe()
    code = f"import os; os.write({write}, b'through')"
    done = subprocess.run([sys.executable, "-c", code], pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as file:
        return [file.read(), done.returncode]


@case
def popen_closes_other_fds():
    read, write = os.pipe()
    os.set_inheritable(write, True)
    code = f"import os\ntry: os.fstat({write}); print('open')\nexcept OSError as e: print(e.errno)"
    found = python(code).stdout
    os.close(read), os.close(write)
    return found


@case
def popen_broken_pipe():
    with subprocess.Popen(["true"], stdin=PIPE) as child:
        child.wait()
        try:
            child.stdin.write(b"x" * 100_000)
            child.stdin.flush()
        except BrokenPipeError as error:
            child.stdin = None
            return [error.errno, error.strerror]


@case
def popen_repr_and_args():
    child = subprocess.Popen(["sh", "-c", "exit 5"])
    child.wait()
    return [repr(child), child.args]


@case
def popen_wrong_arguments():
    found = []
    for options in ({"stdout": "x"}, {"bufsize": "x"}, {"args": []}, {"args": ["a\0b"]}):
        try:
            subprocess.Popen(**{"args": ["true"], **options})
        except Exception as error:
            found.append([type(error).__name__, str(error)])
    return found


@case
def child_traceback():
    done = python("import os\nos.listdir('/no/such')")
    return [done.returncode, done.stderr.splitlines()[-1]]


@case
def child_exit_codes():
    codes = ["raise SystemExit(3)", "raise SystemExit('text')", "import os; os._exit(9)", "1 / 0", "exit(256 + 7)"]
    return [python(code).returncode for code in codes]


@case
def child_killed_by_itself():
    return [python(f"import os; os.kill(os.getpid(), {number})").returncode for number in (6, 9, 15)]


@case
def child_arguments():
    arguments = ["", "a b", "'\"", "ü", "-x", "*"]
    code = "import sys, json; print(json.dumps(sys.argv[1:]))"
    return json.loads(subprocess.check_output([PY, "-c", code, *arguments]))


@case
def child_module_and_stdin():
    found = subprocess.run([PY, "-"], input="import sys; print(sys.argv)", capture_output=True, text=True).stdout
    return [found, subprocess.run([PY, "-m", "this.is.not"], capture_output=True).returncode]


@case
def child_of_child():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(42)'])"
    return python(code).stdout


@case
def child_writes_a_file():
    with tempfile.TemporaryDirectory() as folder:
        python("open('made', 'w').write('x')", cwd=folder)
        return os.listdir(folder)


@case
def os_system():
    return [os.system("true"), os.waitstatus_to_exitcode(os.system("exit 3")), os.system("echo x >/dev/null")]


@case
def os_popen():
    with os.popen("echo a; echo b") as pipe:
        lines = pipe.readlines()
    failing = os.popen("exit 3")
    return [lines, failing.close()]


@case
def os_popen_write():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        pipe = os.popen(f"cat >{path}", "w")
        pipe.write("text")
        return [pipe.close(), open(path).read()]


@case
def os_waitpid():
    child = subprocess.Popen(["sh", "-c", "exit 6"])
    pid, status = os.waitpid(child.pid, 0)
    return [pid == child.pid, os.WIFEXITED(status), os.WEXITSTATUS(status)]


@case
def os_waitpid_without_children():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError as error:
        return [error.errno, error.strerror]


@case
def os_kill_without_process():
    try:
        os.kill(999_999, 0)
    except ProcessLookupError as error:
        return [error.errno, str(error)]


@case
def os_posix_spawn():
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 11"], os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@case
def os_posix_spawnp_not_there():
    try:
        os.posix_spawnp("no-such-program-anywhere", ["x"], os.environ)
    except FileNotFoundError as error:
        return [error.errno, error.strerror]


@case
def os_spawn_family():
    return [os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "exit 2"), os.spawnvp(os.P_WAIT, "true", ["true"])]


@case
def asyncio_exec():
    async def main():
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", "echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE
        )
        out, err = await child.communicate()
        return [out.decode(), err.decode(), child.returncode]

    return asyncio.run(main())


@case
def asyncio_shell():
    async def main():
        child = await asyncio.create_subprocess_shell("echo a | tr a b", stdout=PIPE)
        return [(await child.stdout.read()).decode(), await child.wait()]

    return asyncio.run(main())


@case
def asyncio_conversation():
    async def main():
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        found = []
        for word in (b"one\n", b"two\n"):
            child.stdin.write(word)
            await child.stdin.drain()
            found.append((await child.stdout.readline()).decode())
        child.stdin.close()
        return [found, await child.wait()]

    return asyncio.run(main())


@case
def asyncio_together():
    async def one(n):
        child = await asyncio.create_subprocess_exec("sh", "-c", f"exit {n}")
        return await child.wait()

    async def main():
        return await asyncio.gather(*(one(n) for n in range(8)))

    return asyncio.run(main())


@case
def asyncio_timeout_and_kill():
    async def main():
        child = await asyncio.create_subprocess_exec("sleep", "30")
        try:
            await asyncio.wait_for(child.wait(), 0.3)
        except TimeoutError:
            child.kill()
            return await child.wait()

    return asyncio.run(main())


@case
def asyncio_not_there():
    async def main():
        try:
            await asyncio.create_subprocess_exec("no-such-program-anywhere")
        except FileNotFoundError as error:
            return [error.errno, error.filename]

    return asyncio.run(main())


tell(CASES)
