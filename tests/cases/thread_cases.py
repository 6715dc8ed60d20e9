"""Threads that talk to each other; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. No outcome depends on who is faster.
"""

import asyncio
import concurrent.futures
import contextvars
import fcntl
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time

from told import tell

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def started(target, *args, **options):
    thread = threading.Thread(target=target, args=args, **options)
    thread.start()
    return thread


@case
def starts_and_joins():
    found = []
    thread = started(found.append, 1)
    thread.join()
    return [found, thread.is_alive(), threading.active_count()]


@case
def conversation_through_queues():
    asked, answered = queue.Queue(), queue.Queue()

    def answer():
        for question in iter(asked.get, None):
            answered.put(question * 2)

    thread, answers = started(answer), []
    for n in range(20):
        asked.put(n)
        answers.append(answered.get())
    asked.put(None)
    thread.join()
    return answers


@case
def conversation_through_simple_queues():
    there, back = queue.SimpleQueue(), queue.SimpleQueue()
    started(lambda: [back.put(there.get() + 1) for _ in range(5)])
    return [there.put(n) or back.get() for n in range(5)]


@case
def events_both_ways():
    ping, pong, seen = threading.Event(), threading.Event(), []

    def answer():
        ping.wait()
        seen.append("ping")
        pong.set()

    thread = started(answer)
    ping.set()
    pong.wait()
    thread.join()
    return seen


@case
def event_that_does_not_come():
    return threading.Event().wait(0.05)


@case
def lock_that_is_not_released():
    lock = threading.Lock()
    lock.acquire()
    return [lock.acquire(blocking=False), lock.acquire(timeout=0.05), lock.locked()]


@case
def lock_is_handed_over():
    lock, order = threading.Lock(), []
    lock.acquire()

    def want():
        with lock:
            order.append("second")

    thread = started(want)
    order.append("first")
    lock.release()
    thread.join()
    return order


@case
def rlock_belongs_to_a_thread():
    lock, found = threading.RLock(), []
    with lock, lock:
        started(lambda: found.append(lock.acquire(blocking=False))).join()
    started(lambda: found.append(lock.acquire(blocking=False))).join()
    return found


@case
def condition_with_many():
    condition, ready, done = threading.Condition(), [], []

    def wait(n):
        with condition:
            condition.wait_for(lambda: ready)
            done.append(n)

    threads = [started(wait, n) for n in range(8)]
    with condition:
        ready.append(True)
        condition.notify_all()
    [thread.join() for thread in threads]
    return sorted(done)


@case
def barrier_of_three():
    barrier, found = threading.Barrier(3), []
    threads = [started(lambda: found.append(barrier.wait())) for _ in range(3)]
    [thread.join() for thread in threads]
    return sorted(found)


@case
def barrier_breaks():
    barrier = threading.Barrier(2)
    try:
        barrier.wait(timeout=0.05)
    except threading.BrokenBarrierError:
        return barrier.broken


@case
def semaphore_bounds():
    semaphore, at_once, most = threading.Semaphore(2), [], []

    def work():
        with semaphore:
            at_once.append(1)
            most.append(len(at_once))
            time.sleep(0.01)
            at_once.pop()

    threads = [started(work) for _ in range(6)]
    [thread.join() for thread in threads]
    return max(most) <= 2


@case
def busy_waiting_ends():
    flag = []
    thread = started(flag.append, 1)
    while not flag:
        pass
    thread.join()
    return flag


@case
def busy_threads_take_turns():
    stop, counts = [], [0, 0]

    def count(n):
        while not stop:
            counts[n] += 1

    threads = [started(count, n) for n in range(2)]
    while not all(counts):
        time.sleep(0.001)
    stop.append(1)
    [thread.join() for thread in threads]
    return [count > 0 for count in counts]


@case
def daemon_is_left_behind():
    code = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); print('out')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]


@case
def others_are_waited_for():
    code = "import threading, time\ndef late(): time.sleep(0.1); print('late')\nthreading.Thread(target=late).start(); print('early')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


@case
def exit_from_a_thread():
    code = "import os, threading, time; threading.Thread(target=os._exit, args=(7,)).start(); time.sleep(60)"
    return subprocess.run([sys.executable, "-c", code]).returncode


@case
def error_in_a_thread():
    code = "import threading\ndef wrong(): 1 / 0\nt = threading.Thread(target=wrong, name='w'); t.start(); t.join(); print('on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr.splitlines()[0], done.stderr.splitlines()[-1]]


@case
def excepthook_is_asked():
    found, hook = [], threading.excepthook
    threading.excepthook = lambda args: found.append([args.exc_type.__name__, args.thread.name])
    started(lambda: {}["x"], name="asked").join()
    threading.excepthook = hook
    return found


@case
def locals_of_threads():
    local, found = threading.local(), []
    local.value = "main"

    def look():
        found.append(hasattr(local, "value"))
        local.value = "other"

    started(look).join()
    return [found, local.value]


@case
def context_variables():
    variable, found = contextvars.ContextVar("v", default="none"), []
    variable.set("main")
    started(lambda: found.append(variable.get())).join()
    return found


@case
def identities_differ():
    found = {threading.get_ident(), threading.get_native_id()}
    n = len(found)
    idents, gate = [], threading.Barrier(4)

    def look():
        idents.append((threading.get_ident(), threading.get_native_id(), threading.current_thread().ident))
        gate.wait()

    threads = [started(look) for _ in range(4)]
    [thread.join() for thread in threads]
    same = all(a == c for a, b, c in idents)
    return [n, len({a for a, b, c in idents}), len({b for a, b, c in idents}), same]


@case
def main_thread_is_the_process():
    return [threading.get_native_id() == os.getpid(), threading.current_thread() is threading.main_thread()]


@case
def timer_fires_and_is_cancelled():
    fired = threading.Event()
    threading.Timer(0.01, fired.set).start()
    other = threading.Timer(60, fired.clear)
    other.start()
    other.cancel()
    other.join()
    return [fired.wait(30), other.finished.is_set()]


@case
def pool_maps():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda n: n * n, range(50)))


@case
def pool_work_that_waits_for_work():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        inner = queue.Queue()
        first = pool.submit(inner.get)
        pool.submit(inner.put, "from the other")
        return first.result(30)


@case
def pool_results_as_completed():
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(pow, 2, n) for n in range(6)]
        return sorted(future.result() for future in concurrent.futures.as_completed(futures))


@case
def pool_error_and_timeout():
    gate = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong, late = pool.submit(int, "x"), pool.submit(gate.wait)
        found = [type(wrong.exception()).__name__]
        try:
            late.result(timeout=0.05)
        except TimeoutError as error:
            found.append(type(error).__name__)
        gate.set()
        return found + [late.result()]


@case
def pool_initializer():
    seen = threading.local()
    with concurrent.futures.ThreadPoolExecutor(2, initializer=lambda: setattr(seen, "x", 5)) as pool:
        return list(pool.map(lambda _: seen.x, range(4)))


@case
def asyncio_to_thread():
    async def main():
        loop_thread = threading.get_ident()
        other = await asyncio.to_thread(threading.get_ident)
        return [loop_thread != other, await asyncio.gather(*(asyncio.to_thread(pow, 3, n) for n in range(5)))]

    return asyncio.run(main())


@case
def asyncio_called_from_a_thread():
    async def main():
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        thread = started(loop.call_soon_threadsafe, done.set)
        await done.wait()
        thread.join()
        return "woken"

    return asyncio.run(main())


@case
def asyncio_loop_in_a_thread():
    loop = asyncio.new_event_loop()
    thread = started(loop.run_forever)

    async def double(n):
        await asyncio.sleep(0)
        return n * 2

    found = asyncio.run_coroutine_threadsafe(double(21), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    return found


@case
def child_read_by_a_thread():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = []
    reader = started(lambda: lines.extend(child.stdout))
    for n in range(3):
        child.stdin.write(f"{n}\n")
    child.stdin.close()
    reader.join()
    return [lines, child.wait(), child.stdout.close()]


@case
def pipe_between_threads():
    read, write = os.pipe()
    got = []

    def reader():
        with os.fdopen(read, "rb") as file:
            got.append(len(file.read()))

    thread = started(reader)
    with os.fdopen(write, "wb") as file:
        file.write(b"x" * 300_000)
    thread.join()
    return got


@case
def many_threads():
    gate, n = threading.Event(), []
    threads = [started(lambda: gate.wait() and n.append(1)) for _ in range(50)]
    gate.set()
    [thread.join() for thread in threads]
    return len(n)


@case
def threads_one_after_another():
    found = []
    for n in range(300):
        started(found.append, n).join()
    return found == list(range(300))


@case
def deep_recursion_in_a_thread():
    found = []

    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    def work():
        found.append(down(900))
        try:
            down(10**6)
        except RecursionError as error:
            found.append(type(error).__name__)
        found.append(len(json.dumps(json.loads("[" * 300 + "]" * 300))))

    started(work).join()
    return found


@case
def imports_in_threads():
    found, source = [], "from email import message_from_string; found.append(message_from_string('a: b')['a'])"
    threads = [started(exec, source, {"found": found}) for _ in range(4)]
    [thread.join() for thread in threads]
    return found


class Rang(Exception):
    pass


def ring(number, frame):
    raise Rang(signal.Signals(number).name)


def alarmed(wait):
    """What an alarm does to something that would take much longer."""
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return [repr(wait())]
    except Rang as error:
        return [str(error), signal.getitimer(signal.ITIMER_REAL)]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@case
def alarm_ends_a_sleep():
    return alarmed(lambda: time.sleep(60))


@case
def alarm_ends_a_loop():
    def loop():
        while True:
            pass

    return alarmed(loop)


@case
def alarm_ends_a_read():
    r, w = os.pipe()
    return alarmed(lambda: os.read(r, 1))


@case
def alarm_ends_a_poll():
    r, w = os.pipe()
    return alarmed(lambda: select.select([r], [], [], 60))


@case
def alarm_ends_a_receive():
    a, b = socket.socketpair()
    return alarmed(lambda: a.recv(1))


@case
def alarm_ends_an_accept():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return alarmed(server.accept)


@case
def alarm_ends_the_wait_for_a_child():
    child = subprocess.Popen(["sleep", "60"])
    found = alarmed(child.wait)
    child.kill()
    return [found, child.wait()]


@case
def a_handler_that_returns_lets_the_sleep_go_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    time.sleep(0.3)
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    return [len(rung) > 2, time.monotonic() - started >= 0.3, left > 0, round(interval, 2)]


@case
def alarms_are_taken_back():
    before = signal.signal(signal.SIGALRM, ring)
    found = [signal.alarm(100), signal.alarm(7), signal.alarm(0), signal.alarm(0)]
    signal.signal(signal.SIGALRM, before)
    return found


@case
def pause_waits_for_the_alarm():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)  # again and again: one may ring before the pause
    found = [signal.pause(), bool(rung)]
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    return found


@case
def an_alarm_without_a_handler_ends_the_process():
    code = "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(60)"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode


@case
def wrong_timers():
    found = []
    for arguments in [(9, 1), (signal.ITIMER_REAL, -1)]:
        try:
            found.append(signal.setitimer(*arguments))
        except signal.ItimerError as error:
            found.append([type(error).__name__, error.errno])
    return found


@case
def waiting_in_a_loop_for_another_thread():
    found = []

    def work():
        time.sleep(0.02)
        found.append(1)

    thread = started(work)
    while not found:
        pass
    thread.join()
    return found


@case
def computing_is_not_sleeping():
    before = time.process_time(), time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
    time.sleep(0.4)
    slept = time.process_time() - before[0]
    sum(range(300_000))
    return [slept < 0.3, time.process_time() > before[0] + slept]


@case
def numbers_of_linux():
    r, w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    fd = os.open("/tmp", os.O_DIRECTORY)
    flags = [fcntl.fcntl(it, fcntl.F_GETFL) & os.O_NONBLOCK for it in (r, fd)]
    poll = select.poll()
    poll.register(w, select.POLLIN | select.POLLOUT)
    found = [poll.poll(0)[0][1], flags, os.get_inheritable(r), os.get_inheritable(fd)]
    r, w = os.pipe2(0)
    found += [os.get_inheritable(r), os.O_WRONLY | os.O_CREAT | os.O_APPEND, time.CLOCK_MONOTONIC]
    try:
        os.open("/tmp/no/such", os.O_CLOEXEC)
    except OSError as error:
        found.append(error.errno)
    return found


tell(CASES)
