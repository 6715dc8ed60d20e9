"""Runs pytest for a check: arguments PLAN [OPTION]..., and in `data` what `codes.py` wrote, or nothing.

PLAN is JSON: {"root": "/workspace", "order": null | "reversed" | a number, "disguised": false,
"only": null | [ID], "controls": null | FILE, "veiled": [FILE]}. pytest and the reporter are imported before the workspace is on the path, so no
file of it can take their place.
"""
import builtins
import dis
import functools
import gc
import importlib.util
import json
import marshal
import os
import random
import sys
import types

import pytest
import playpen_report


class Brief:
    """Says in one line how a test failed: what the verifier reads, at a small part of the cost of a traceback."""

    def pytest_configure(self, config):
        # Nobody waits for what is found after the last test, and looking for it five times takes as long as many
        # tests. pytest keeps the number under a key that it has no public name for; without it, it looks.
        from _pytest import unraisableexception

        key = getattr(unraisableexception, "gc_collect_iterations_key", None)
        if key is not None:
            config.stash[key] = 0

    def pytest_itemcollected(self, item):
        item.repr_failure = functools.partial(self.represent, item.repr_failure)

    def represent(self, original, error, *args, **options):
        is_usual = isinstance(error.value, Exception) and type(error.value).__module__.split(".")[0] not in {"_pytest", "pytest"}
        if not is_usual:
            return original(error, *args, **options)
        lines = error.exconly(tryshort=True).splitlines()
        return lines[0] if lines else error.typename


class Only:
    """Runs some of the tests that are collected, and the controls."""

    def __init__(self, ids, controls):
        self.ids, self.controls = set(ids), controls

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid in self.ids or is_control(item, self.controls)]


class Order:
    """Puts the tests into another order: files, then classes, then tests, so that their fixtures stay together."""

    def __init__(self, order, controls):
        self.order, self.controls = order, controls

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.order == "reversed":
            items.reverse()
            return
        written = [item for item in items if not is_control(item, self.controls)]
        self.shuffle(items)
        drawn = [item for item in items if not is_control(item, self.controls)]
        if len(drawn) > 2 and drawn in (written, written[::-1]):
            # By chance it is one of the orders that there were already.
            controls = [item for item in items if is_control(item, self.controls)]
            items[:] = controls + written[1:] + written[:1]

    def shuffle(self, items):
        draw = random.Random(self.order)
        keys = {}

        def key(item):
            parts = item.nodeid.split("::")
            heads = ["::".join(parts[: n + 1]) for n in range(len(parts))]
            return [keys.setdefault(head, draw.random()) for head in heads]

        items.sort(key=key)


class Veil:
    """Lets no test read the compiled code of functions in some files, by itself or with `dis`."""

    READERS = {dis.dis.__code__.co_filename}

    def __init__(self, files, root):
        self.files = {f"{root}/{file}" for file in files}
        self.tests = root + "/"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self):
        sys.addaudithook(self.look)

    def look(self, event, args):
        if event != "object.__getattr__" or args[1] != "__code__":
            return
        reader = sys._getframe(1).f_code.co_filename
        is_test = reader.startswith(self.tests) and reader not in self.files or reader in self.READERS
        names = getattr(args[0], "__globals__", None)
        if is_test and isinstance(names, dict) and names.get("__file__") in self.files:
            raise RuntimeError("the compiled code of a function is read")


def is_control(item, controls):
    return controls is not None and item.nodeid.startswith(controls + "::")


class Disguise:
    """Hides from the code under test that pytest runs it.

    The modules of pytest are taken out of `sys.modules`, and are there only while something of pytest is imported.
    """

    HIDDEN = {"pytest", "_pytest", "pluggy", "iniconfig", "playpen_report"}

    def __init__(self):
        self.modules = {}
        self.original = builtins.__import__

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self):
        import _pytest.runner

        _pytest.runner._update_current_test_var = lambda item, when: None
        for name in [name for name in os.environ if name.startswith("PYTEST")]:
            del os.environ[name]
        sys.argv[:] = ["main.py"]
        builtins.__import__ = self.imported
        self.hide()

    def hide(self):
        for name in [name for name in sys.modules if name.split(".")[0] in self.HIDDEN]:
            self.modules[name] = sys.modules.pop(name)

    def imported(self, name, globals=None, locals=None, fromlist=(), level=0):
        package = (globals or {}).get("__package__") or "" if level else name
        if package.split(".")[0] not in self.HIDDEN:
            return self.original(name, globals, locals, fromlist, level)
        sys.modules.update(self.modules)
        try:
            return self.original(name, globals, locals, fromlist, level)
        finally:
            self.hide()


def use_codes(codes):
    """Takes the code of test files from `codes`, if their text is what was compiled.

    There is no public way to hand pytest rewritten code but files in `__pycache__/`, which a test could see. Where a
    version of pytest has no such function, or asks for another rewriting, it compiles the files itself.
    """
    from _pytest.assertion import rewrite

    original = getattr(rewrite, "_rewrite_test", None)

    def rewritten(file, config):
        text_hash, code = codes.get(str(file), (None, None))
        is_known = code is not None and not config.getini("enable_assertion_pass_hook")
        if is_known and importlib.util.source_hash(file.read_bytes()) == text_hash:
            return text_hash, marshal.loads(code)
        return original(file, config)

    if original is not None:
        rewrite._rewrite_test = rewritten


def look_less():
    """Has pytest look for hooks and fixtures in modules and classes of its own by the names that can be some.

    It goes through all names of each plugin twice, at each start, which takes as long as many tests. What it finds is
    the same. Modules and classes of the workspace are looked through as ever.
    """
    from _pytest import fixtures
    from pluggy import _manager

    definition = getattr(fixtures, "FixtureFunctionDefinition", None)
    static = getattr(_manager, "_static_hook_attr", None)

    def is_own(holder):
        names = vars(holder) if type(holder) is types.ModuleType else vars(type(holder))
        name = names.get("__name__") or names.get("__module__") or ""
        return type(name) is str and name.startswith("_pytest.")

    def hooks(holder):
        names = dir(holder)
        return [name for name in names if name.startswith("pytest_")] if is_own(holder) else names

    def definitions(holder):
        if not is_own(holder):
            return dir(holder)
        names = vars(holder) if type(holder) is types.ModuleType else vars(type(holder))
        return sorted(name for name, it in names.items() if type(it) is definition)

    def found(holder, name):
        it = vars(holder).get(name) if type(holder) is types.ModuleType else None
        return (it, it) if type(it) is types.FunctionType else static(holder, name)

    _manager.dir = hooks
    if definition is not None:
        fixtures.dir = definitions
    if static is not None:
        _manager._static_hook_attr = found


look_less()
plan, options = json.loads(sys.argv[1]), sys.argv[2:]
plugins = [playpen_report, Brief()]  # by name it would be imported again, for which pytest has a warning
if plan["only"] is not None:
    plugins.append(Only(plan["only"], plan["controls"]))
if plan["order"] is not None:
    plugins.append(Order(plan["order"], plan["controls"]))
if plan["disguised"]:
    plugins.append(Disguise())
if plan["veiled"]:
    plugins.append(Veil(plan["veiled"], plan["root"]))
if data:
    use_codes(marshal.loads(data))
del data, program
sys.argv[:] = [pytest.__file__.replace("__init__", "__main__"), *options]
sys.path.insert(0, plan["root"])
gc.freeze()  # what was imported before the tests stays
sys.exit(pytest.main(options, plugins))
