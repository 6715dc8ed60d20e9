"""Runs pytest for a check: python -I -c THIS PLAN [OPTION]...

PLAN is JSON: {"root": "/workspace", "order": null | "reversed" | a number, "disguised": false,
"only": null | [ID], "controls": null | FILE}. pytest and the reporter are imported before the workspace is on the path, so no
file of it can take their place.
"""
import builtins
import functools
import gc
import json
import os
import random
import sys

import pytest
import playpen_report  # noqa: F401


class Brief:
    """Says in one line how a test failed: what the verifier reads, at a small part of the cost of a traceback."""

    def pytest_configure(self, config):
        from _pytest.unraisableexception import gc_collect_iterations_key

        config.stash[gc_collect_iterations_key] = 0  # nobody waits for what is found after the last test

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


plan, options = json.loads(sys.argv[1]), sys.argv[2:]
plugins = [Brief()]
if plan["only"] is not None:
    plugins.append(Only(plan["only"], plan["controls"]))
if plan["order"] is not None:
    plugins.append(Order(plan["order"], plan["controls"]))
if plan["disguised"]:
    plugins.append(Disguise())
sys.argv[:] = [pytest.__file__.replace("__init__", "__main__"), *options]
sys.path.insert(0, plan["root"])
gc.freeze()  # what was imported before the tests stays
sys.exit(pytest.main(options, plugins))
