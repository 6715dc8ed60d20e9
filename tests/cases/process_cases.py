"""Processes of `multiprocessing`, spawned on both sides; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. No outcome depends on who is faster.
Natively `main` chooses the way of starting that is the only one in a sandbox.
"""

import concurrent.futures
import json
import multiprocessing as mp
import multiprocessing.connection
import os
import signal
import sys
import time

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


# ---- what runs in children
def double(n):
    return n * 2


def put_all(channel, items):
    for item in items:
        channel.put(item)


def echo(connection):
    while (message := connection.recv()) is not None:
        connection.send([os.getpid() != os.getppid(), message])
    connection.close()


def add_under_lock(lock, path, n):
    for _ in range(n):
        with lock:
            with open(path) as file:
                number = int(file.read())
            with open(path, "w") as file:
                file.write(str(number + 1))


def wait_and_set(first, second):
    second.put(first.wait(20))


def leave(code):
    sys.exit(code)


def fail(n):
    raise LookupError(n)


def hold(ready):
    ready.set()
    time.sleep(60)


def consume(items, done):
    while True:
        item = items.get()
        done.put(item)
        items.task_done()
        if item is None:
            return


def meet(barrier, found):
    found.put(barrier.wait() >= 0)


def notified(condition, ready, found):
    with condition:
        ready.release()
        found.put(condition.wait(20))


def nested(found):
    with mp.Pool(1) as pool:
        found.put(pool.map(double, [21]))


def describe(found):
    it = mp.current_process()
    found.put([it.name, it.daemon, __name__, mp.get_start_method(), mp.parent_process() is not None])


def starter(value):
    global started_with
    started_with = value


def tell_start(_):
    return started_with


def outcome_of(function):
    try:
        return function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


# ---- cases
@case
def a_process_ends():
    process = mp.Process(target=double, args=(1,))
    before = process.exitcode, process.is_alive(), process.pid
    process.start()
    alive = process.is_alive()
    process.join()
    return [before, alive, process.exitcode, process.is_alive()]


@case
def exit_codes():
    codes = []
    for target, args in ((leave, (3,)), (leave, (None,)), (double, (1,))):
        process = mp.Process(target=target, args=args)
        process.start()
        process.join()
        codes.append(process.exitcode)
    return codes


@case
def a_process_that_fails():
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    process = mp.Process(target=fail, args=(1,))
    process.start()
    process.join()
    os.dup2(stderr, 2)
    return process.exitcode


@case
def terminate_and_kill():
    codes = []
    for end in ("terminate", "kill"):
        ready = mp.Event()
        process = mp.Process(target=hold, args=(ready,))
        process.start()
        ready.wait()
        getattr(process, end)()
        process.join()
        codes.append(process.exitcode)
    return [codes, -signal.SIGTERM, -signal.SIGKILL]


@case
def join_with_a_time():
    ready = mp.Event()
    process = mp.Process(target=hold, args=(ready,))
    process.start()
    ready.wait()
    process.join(0.05)
    alive = process.is_alive(), process.exitcode
    process.kill()
    process.join()
    return alive


@case
def names_and_modules():
    found = mp.SimpleQueue()
    process = mp.Process(target=describe, args=(found,), name="one", daemon=True)
    process.start()
    told = found.get()
    process.join()
    return told


@case
def queue_from_a_child():
    channel = mp.Queue()
    process = mp.Process(target=put_all, args=(channel, list(range(50)) + [{"a": [1, 2]}, "x" * 200_000]))
    process.start()
    items = [channel.get() for _ in range(52)]
    process.join()
    return [items[:51], len(items[51]), channel.empty(), process.exitcode]


@case
def queue_with_bounds():
    channel = mp.Queue(2)
    channel.put(1)
    channel.put(2)
    full = outcome_of(lambda: channel.put(3, timeout=0.05)), outcome_of(lambda: channel.put_nowait(3)), channel.full()
    got = [channel.get(timeout=20), channel.get(timeout=20)]
    empty = outcome_of(lambda: channel.get(timeout=0.05)), outcome_of(lambda: channel.get_nowait())
    return [full, got, empty]


@case
def queue_size():
    channel = mp.Queue()
    sizes = [channel.qsize()]
    for n in range(3):
        channel.put(n)
        sizes.append(channel.qsize())
    for _ in range(3):
        channel.get()
    return [sizes, channel.qsize()]


@case
def joinable_queue():
    items, done = mp.JoinableQueue(), mp.Queue()
    process = mp.Process(target=consume, args=(items, done))
    process.start()
    put_all(items, ["a", "b", None])
    items.join()
    process.join()
    return [done.get() for _ in range(3)]


@case
def several_consumers():
    items, done = mp.JoinableQueue(), mp.Queue()
    processes = [mp.Process(target=consume, args=(items, done)) for _ in range(3)]
    for process in processes:
        process.start()
    put_all(items, list(range(20)) + [None] * 3)
    items.join()
    got = [done.get() for _ in range(23)]
    for process in processes:
        process.join()
    return [sorted(it for it in got if it is not None), got.count(None)]


@case
def pipe_both_ways():
    ours, theirs = mp.Pipe()
    process = mp.Process(target=echo, args=(theirs,))
    process.start()
    theirs.close()
    answers = []
    for message in (1, "two", [3], b"4" * 100_000):
        ours.send(message)
        answers.append(ours.recv())
    ours.send(None)
    process.join()
    return [answers[:3], len(answers[3][1]), outcome_of(ours.recv)]


@case
def pipe_one_way():
    reader, writer = mp.Pipe(duplex=False)
    writer.send_bytes(b"abc")
    found = [reader.poll(), reader.recv_bytes(), reader.poll(), reader.readable, reader.writable]
    writer.close()
    return found + [outcome_of(reader.recv)]


@case
def waiting_for_one_of_several():
    ours, theirs = zip(*[mp.Pipe(duplex=False) for _ in range(3)])
    theirs[1].send("b")
    ready = mp.connection.wait(ours, timeout=20)
    return [ready == [ours[1]], ready[0].recv(), mp.connection.wait(ours, timeout=0)]


@case
def a_lock_excludes():
    path = "counter"
    with open(path, "w") as file:
        file.write("0")
    lock = mp.Lock()
    processes = [mp.Process(target=add_under_lock, args=(lock, path, 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with open(path) as file:
        return file.read()


@case
def lock_rules():
    lock, again = mp.Lock(), mp.RLock()
    found = [lock.acquire(), lock.acquire(block=False), lock.acquire(timeout=0.05), lock.release()]
    found += [outcome_of(lock.release), again.acquire(), again.acquire(), again.release(), again.release()]
    return found + [outcome_of(again.release), repr(lock), repr(again)]


@case
def semaphore_rules():
    several, bounded = mp.Semaphore(2), mp.BoundedSemaphore(1)
    found = [several.get_value(), several.acquire(), several.acquire(), several.acquire(False)]
    found += [several.release(), several.get_value(), several.release(), several.release(), several.get_value()]
    return found + [outcome_of(bounded.release), bounded.get_value(), outcome_of(lambda: mp.Semaphore(-1))]


@case
def events_both_ways():
    first, second = mp.Event(), mp.Queue()
    process = mp.Process(target=wait_and_set, args=(first, second))
    process.start()
    before = first.is_set(), first.wait(0.02)
    first.set()
    found = second.get()
    process.join()
    first.clear()
    return [before, found, first.is_set()]


@case
def conditions():
    condition, ready, found = mp.Condition(), mp.Semaphore(0), mp.Queue()
    processes = [mp.Process(target=notified, args=(condition, ready, found)) for _ in range(2)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    with condition:
        condition.notify_all()
    told = [found.get() for _ in processes]
    for process in processes:
        process.join()
    with condition:
        return [told, condition.wait(0.02)]


@case
def pool_maps():
    with mp.Pool(2) as pool:
        found = [pool.map(double, range(10)), pool.apply(double, (4,)), sorted(pool.imap_unordered(double, range(5)))]
        found += [list(pool.imap(double, range(5), chunksize=2)), pool.starmap(pow, [(2, 3), (3, 2)])]
        return found + [pool.map_async(double, [1]).get(20), pool.apply_async(double, (7,)).get(20)]


@case
def pool_fails():
    with mp.Pool(2) as pool:
        found = outcome_of(lambda: pool.map(fail, [1])), outcome_of(lambda: pool.apply(fail, (2,)))
        called = []
        pool.apply_async(fail, (3,), error_callback=lambda error: called.append(repr(error))).wait(20)
        pool.close()
        pool.join()
    return [found, called, outcome_of(lambda: pool.map(double, [1]))]


@case
def pool_with_an_initializer():
    with mp.Pool(2, starter, ("s",), maxtasksperchild=2) as pool:
        return pool.map(tell_start, range(6), chunksize=1)


@case
def pool_in_a_child():
    found = mp.SimpleQueue()
    process = mp.Process(target=nested, args=(found,))
    process.start()
    result = found.get()
    process.join()
    return result


@case
def daemons_have_no_children():
    found = mp.SimpleQueue()
    process = mp.Process(target=nested_or_not, args=(found,), daemon=True)
    process.start()
    result = found.get()
    process.join()
    return result


def nested_or_not(found):
    found.put(outcome_of(mp.Process(target=double, args=(1,)).start))


@case
def executor():
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(double, n) for n in range(6)]
        done = sorted(future.result() for future in concurrent.futures.as_completed(futures))
        found = [done, list(pool.map(double, range(6), chunksize=3)), outcome_of(pool.submit(fail, 9).result)]
    return found + [outcome_of(lambda: pool.submit(double, 1))]


@case
def executor_with_an_initializer():
    with concurrent.futures.ProcessPoolExecutor(1, initializer=starter, initargs=(5,)) as pool:
        return pool.submit(tell_start, 0).result()


@case
def executor_that_breaks():
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        future = pool.submit(os._exit, 4)
        return [outcome_of(future.result), outcome_of(lambda: pool.submit(double, 1))]


@case
def barrier():
    found, several = mp.SimpleQueue(), mp.Barrier(3)
    processes = [mp.Process(target=meet, args=(several, found)) for _ in range(2)]
    for process in processes:
        process.start()
    place = several.wait(20)
    for process in processes:
        process.join()
    alone = mp.Barrier(2, timeout=0.05)
    seen = [0 <= place < 3, found.get(), found.get(), several.n_waiting, several.parties, several.broken]
    return seen + [outcome_of(alone.wait), alone.broken, alone.reset(), alone.broken]


@case
def managers():
    with mp.Manager() as manager:
        shared, table, lock = manager.list([1]), manager.dict(a=1), manager.Lock()
        with mp.Pool(2) as pool:
            pool.starmap(grow, [(shared, table, lock, n) for n in range(4)])
        return [sorted(shared), sorted(table.items()), manager.Namespace(x=2).x]


def grow(shared, table, lock, n):
    with lock:
        shared.append(n)
        table[str(n)] = n


@case
def a_name_is_there_once():
    import _multiprocessing

    def make():
        return _multiprocessing.SemLock(1, 0, 1, "/of-this-case", False)

    first = make()
    found = [first.name, type(outcome_of(make)).__name__, outcome_of(make).split(":")[0]]
    _multiprocessing.sem_unlink(first.name)
    second = make()
    found += [second.acquire(False), second.acquire(True, 0.02), second.release()]
    _multiprocessing.sem_unlink(second.name)
    return found + [outcome_of(lambda: _multiprocessing.sem_unlink("/of-this-case"))]


@case
def what_cannot_be_sent():
    found = outcome_of(lambda: mp.Process(target=lambda: 1).start())
    return found.split(":")[0] in ("AttributeError", "PicklingError")


@case
def counts_and_children():
    ready = mp.Event()
    process = mp.Process(target=hold, args=(ready,))
    process.start()
    ready.wait()
    names = [it.name == process.name for it in mp.active_children()]
    process.kill()
    process.join()
    return [names, mp.active_children(), mp.cpu_count() >= 1, mp.parent_process()]


def main():
    mp.set_start_method("spawn")
    for name, function in CASES.items():
        print(json.dumps({"id": name, "outcome": outcome_of(function)}, default=repr), flush=True)


if __name__ == "__main__":
    main()
