"""The end of a run: what modules hold is given up while the streams are still there, as CPython does it.

Objects get their `__del__`, files are flushed and closed. CPython's own way to the end also takes the
interpreter apart, which nobody can see and which would write to every page of the snapshot.
"""

import _io
import gc
import sys
import threading
import types
import weakref

_known = frozenset()


def remember_modules():
    """What is there now is part of the snapshot, and stays."""
    global _known
    _known = frozenset(sys.modules) - {"__main__"}


def give_up():
    """Takes the program's modules away, in the order in which CPython takes all of them."""
    # Twice, as CPython: the first time brings objects into the order in which the second one ends them, a
    # file before the descriptor that it writes to.
    gc.collect()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    if threading.active_count() > 1:
        # A daemon that runs once more must find its world; its files are not to lose anything either.
        return _flush_files()
    names = ["__main__", *(name for name in sys.modules if name not in _known and name != "__main__")]
    modules = [ref for name in names if (ref := _take(name))]
    gc.collect()
    for ref in reversed(modules):
        module = ref()
        if isinstance(module, types.ModuleType):
            _clear(vars(module))
    # What the program put into modules that stay.
    _flush_files()


def _take(name):
    module, sys.modules[name] = sys.modules.get(name), None
    try:
        return weakref.ref(module)
    except TypeError:
        return None  # it is no module, or None


def _clear(names):
    """First what begins with one underscore, then the rest but `__builtins__`."""
    for first in (True, False):
        for name in list(names):
            is_private = isinstance(name, str) and name[:1] == "_" and name[1:2] != "_"
            if (is_private or not first) and name != "__builtins__":
                names[name] = None


def _flush_files():
    # By type, and by those of C: asking `isinstance` about `io`'s own classes costs as much as the whole start.
    for it in gc.get_objects():
        if issubclass(type(it), (_io._TextIOBase, _io._BufferedIOBase)):
            try:
                it.flush()
            except (OSError, ValueError):
                pass  # closed, or for reading
