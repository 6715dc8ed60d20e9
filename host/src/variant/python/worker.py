

# The worker: pytest with a plugin that runs chosen tests, traces them, or runs them against mutants.
#
# The request is one JSON object on descriptor 63; what came of it goes to descriptor 62, one JSON object a
# line. `run` leaves the lines to the plugin `playpen_report`; the other modes write their own.
import functools
import gc
import json
import os
import random
import sys
import time
import types

import pytest
from _pytest.runner import runtestprotocol

MONITOR = sys.monitoring
TOOL = 3
SLEEP = time.sleep
TICKS_OF_A_SECOND = 100_000
TICKS = MONITOR.events.JUMP | MONITOR.events.PY_START | MONITOR.events.PY_RESUME


def write(**record):
    data = json.dumps(record).encode() + b"\n"
    while data:
        data = data[os.write(62, data) :]


class OverBudget(BaseException):
    """A test took many more steps than it should; no handler of the code under test stops it."""


class Budget:
    """Counts loops and calls of the project's code, so that no clock decides what hangs."""

    def __init__(self):
        self.ticks = 0
        self.most = None

    def begin(self, most):
        self.ticks, self.most = 0, most

    def tick(self, code, *_):
        self.ticks += 1
        if self.most is not None and self.ticks > self.most:
            raise OverBudget(f"more than {self.most} steps")

    def watch(self, code):
        MONITOR.set_local_events(TOOL, code, MONITOR.get_local_events(TOOL, code) | TICKS)
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                self.watch(const)

    def sleep(self, seconds):
        """Takes the place of `time.sleep`: waiting is a way to hang too."""
        self.ticks += int(max(seconds, 0) * TICKS_OF_A_SECOND)
        self.tick(None)
        SLEEP(seconds)

    def start(self):
        time.sleep = self.sleep
        for event in (MONITOR.events.JUMP, MONITOR.events.PY_START, MONITOR.events.PY_RESUME):
            MONITOR.register_callback(TOOL, event, self.tick)


class Selected:
    """Runs some of the tests, in an order that a number decides."""

    def __init__(self, request):
        self.select = request.get("select")
        self.exclude = set(request.get("exclude") or ())
        self.order = request.get("order") or 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        wanted = None if self.select is None else set(self.select)
        keep = [i for i in items if i.nodeid not in self.exclude and (wanted is None or i.nodeid in wanted)]
        if len(keep) != len(items):
            kept = set(map(id, keep))
            config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        if self.order == 1:
            keep.reverse()
        elif self.order:
            random.Random(self.order).shuffle(keep)
        items[:] = keep

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        for item in session.items:
            item.repr_failure = in_short  # a traceback costs more than the test
        gc.freeze()  # what is there after the collection stays, and need not be looked at again


def in_short(error, style=None):
    return f"{error.exconly(tryshort=True)}\n".splitlines()[0]


class Traced(Selected):
    """Runs each test once and tells which lines of the project it ran."""

    def __init__(self, request):
        super().__init__(request)
        self.root = request["root"] + "/"
        self.files = {f"{request['root']}/{path}": index for index, path in enumerate(request["files"])}
        self.most = request["most_ticks"]
        self.shared = set()
        self.lines = self.shared
        self.budget = Budget()
        MONITOR.use_tool_id(TOOL, "playpen")
        self.budget.start()
        MONITOR.register_callback(TOOL, MONITOR.events.PY_START, self.begin)
        MONITOR.register_callback(TOOL, MONITOR.events.LINE, self.line)
        MONITOR.set_events(TOOL, MONITOR.events.PY_START)

    def begin(self, code, _):
        if code.co_filename not in self.files:
            if not code.co_filename.startswith(self.root):
                return MONITOR.DISABLE
            MONITOR.set_local_events(TOOL, code, TICKS)  # a test may hang too
            return self.budget.tick(code)
        MONITOR.set_local_events(TOOL, code, MONITOR.events.LINE | MONITOR.events.JUMP | MONITOR.events.PY_RESUME)
        return self.budget.tick(code)

    def line(self, code, line):
        self.lines.add((self.files.get(code.co_filename, -1), line))
        return MONITOR.DISABLE

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope == "function":
            yield
            return
        lines, self.lines = self.lines, self.shared  # what a fixture of many tests runs, all of them run
        MONITOR.restart_events()
        yield
        self.lines = lines

    def pytest_runtestloop(self, session):
        remembered = caches(self.root)
        for index, item in enumerate(session.items):
            write(event="begin", id=item.nodeid)
            for cache in remembered:
                cache.cache_clear()
            self.lines = set()
            MONITOR.restart_events()
            self.budget.begin(self.most)
            following = session.items[index + 1] if index + 1 < len(session.items) else None
            reports = runtestprotocol(item, log=False, nextitem=following)
            ticks = self.budget.ticks
            self.budget.begin(None)
            slow = ticks > self.most
            write(event="traced", id=item.nodeid, ticks=ticks, slow=slow, lines=runs(self.lines),
                  passed=all(report.passed for report in reports))
        write(event="shared", lines=runs(self.shared))
        return True


def caches(root):
    """What the project's functions remember: with it, one test would hide from another what it runs."""
    return [value for value in gc.get_objects() if isinstance(value, functools._lru_cache_wrapper)
            and isinstance(getattr(value, "__wrapped__", None), types.FunctionType)
            and value.__wrapped__.__code__.co_filename.startswith(root)]


def runs(lines):
    """Lines as `[file, first, last]`."""
    out = []
    for file, line in sorted(lines):
        if file < 0:
            continue
        if out and out[-1][0] == file and out[-1][2] == line - 1:
            out[-1][2] = line
        else:
            out.append([file, line, line])
    return out


class Swapped:
    """Runs tests against mutants, each put into the functions that are there and taken out again."""

    def __init__(self, request):
        self.request = request
        self.root = request["root"]
        self.sources = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        needed = {test for mutant in self.request["mutants"] for test in mutant["tests"]}
        items[:] = [item for item in items if item.nodeid in needed]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        self.budget.begin(self.most and self.request["ticks"].get(item.nodeid, self.most))
        yield
        self.budget.begin(None)

    def pytest_runtestloop(self, session):
        self.items = {item.nodeid: item for item in session.items}
        for item in session.items:
            item.repr_failure = lambda error, style=None: error.typename  # a traceback costs more than the test
        files = {f"{self.root}/{mutant['path']}" for mutant in self.request["mutants"]}
        self.functions = {}
        for value in gc.get_objects():
            if isinstance(value, types.FunctionType) and value.__code__.co_filename in files:
                code = value.__code__
                key = (code.co_filename, code.co_qualname, code.co_firstlineno)
                self.functions.setdefault(key, []).append(value)
        self.caches = caches(self.root + "/")
        self.budget = Budget()
        self.most = None
        MONITOR.use_tool_id(TOOL, "playpen")
        self.budget.start()
        for value in gc.get_objects():
            if isinstance(value, types.FunctionType) and value.__code__.co_filename.startswith(self.root + "/"):
                self.budget.watch(value.__code__)
        pending = []
        for mutant in self.request["mutants"]:
            write(event="begin", mutant=mutant["id"])
            result = self.work_on(mutant)
            write(event="mutant", mutant=mutant["id"], **result)
            pending.append((mutant["id"], result.get("tests", [])))
            if len(pending) >= self.request["control_every"]:
                self.control(pending)
                pending = []
        self.control(pending)
        return True

    def control(self, pending):
        """Runs the tests that failed once more without a mutant: what was left behind shows here."""
        self.forget()
        tests = list(dict.fromkeys(test for _, tests in pending for test in tests))
        self.most = None
        failed, _ = self.failures(tests, True)
        write(event="control", ok=not failed, mutants=[mutant for mutant, _ in pending])

    def forget(self):
        for cache in self.caches:
            cache.cache_clear()

    def work_on(self, mutant):
        try:
            swaps = self.swaps(mutant)
        except (SyntaxError, ValueError, RecursionError) as error:
            return {"how": "unswappable", "message": f"{type(error).__name__}: {error}"}
        if not swaps:
            return {"how": "unswappable", "message": "no function of this code is alive"}
        originals = [(function, function.__code__) for function, _ in swaps]
        self.forget()
        self.most = self.request["most_ticks"]
        try:
            for function, code in swaps:
                function.__code__ = code
            failed, over = self.failures(mutant["tests"], not self.request["all_tests"])
        except ValueError as error:
            return {"how": "unswappable", "message": str(error)}
        finally:
            for function, code in originals:
                function.__code__ = code
        if not failed:
            return {"how": "survived"}
        return {"how": "over_budget" if over else "killed", "tests": failed}

    def failures(self, tests, stop):
        """Runs tests; returns those that failed, and whether one took too many steps."""
        items = [self.items[test] for test in tests if test in self.items]
        failed, over = [], False
        for index, item in enumerate(items):
            item._report_sections = []
            following = items[index + 1] if index + 1 < len(items) else None
            bad = [r for r in runtestprotocol(item, log=False, nextitem=following) if r.failed]
            if bad:
                failed.append(item.nodeid)
                over = over or bad[0].longrepr == OverBudget.__name__
                if stop or over:
                    item.session._setupstate.teardown_exact(None)
                    break
        return failed, over

    def swaps(self, mutant):
        path = mutant["path"]
        file = f"{self.root}/{path}"
        if path not in self.sources:
            with open(file, "rb") as stream:
                self.sources[path] = Source(stream.read())
        source = self.sources[path]
        for node, outer in units(source.tree.body):
            begins, ends = segment(source, node)
            if begins <= mutant["start"] < ends:
                break
        else:
            return []
        before = source.data[begins:ends]
        start, end = mutant["start"] - begins, mutant["end"] - begins
        after = before[:start] + mutant["text"].encode() + before[end:]
        old = self.code(source, file, node, outer, before)
        new = self.code(source, file, node, outer, after)
        self.budget.watch(new)
        return list(self.pairs(file, old, new))

    def code(self, source, file, node, outer, text):
        """Compiles one function as it is compiled in its place: name mangling, `super()`, line numbers."""
        indented = text[:1] in (b" ", b"\t")
        tree = ast.parse(b"if 1:\n" + text if indented else text)
        line, _ = begin(node)
        ast.increment_lineno(tree, line - 2 if indented else line - 1)
        body = tree.body[0].body if indented else tree.body
        for around in reversed(outer):
            body = [ast.ClassDef(around.name, [], [], body, [], lineno=around.lineno, col_offset=0,
                                 end_lineno=around.end_lineno, end_col_offset=0, type_params=[])]
        code = compile(ast.Module(body, []), file, "exec", flags=source.flags, dont_inherit=True)
        pending = [code]
        while pending:
            item = pending.pop(0)
            if item.co_name == node.name and item.co_firstlineno == line:
                return item
            pending += [const for const in item.co_consts if isinstance(const, types.CodeType)]
        raise ValueError("the function is not where it was")

    def pairs(self, file, old, new):
        for function in self.functions.get((file, old.co_qualname, old.co_firstlineno), []):
            yield function, new
        inner = [[c for c in code.co_consts if isinstance(c, types.CodeType)] for code in (old, new)]
        if len(inner[0]) == len(inner[1]):
            for one, other in zip(*inner):
                yield from self.pairs(file, one, other)


def work():
    data = b""
    while chunk := os.read(63, 1 << 20):
        data += chunk
    request = json.loads(data)
    mode = {"run": Selected, "trace": Traced, "mutants": Swapped}[request["mode"]]
    sys.path[:0] = request["sys_path"]
    sys.argv = ["pytest"]
    sys.exit(pytest.main(request["args"], plugins=[mode(request)]))


work()
