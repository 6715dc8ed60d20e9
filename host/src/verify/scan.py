"""Reads source files for what could tamper with a test run, without running them.

One JSON object on stdin: {"files": {PATH: SOURCE BEFORE, or null}, "tests": [PATH]}; one JSON object a finding to descriptor 62. What
was in the file before is no finding. A finding is `hard` if no honest program has a use for it, `soft` if it calls
for more runs that look for tampering, `unsteady` if it calls for more repeats (`unsteady.py`, which stands before this text).
"""
import ast
import collections
import importlib
import json
import os
import re
import sys

PYTEST = {"pytest", "_pytest", "pluggy", "playpen_report"}
STACK = {
    "inspect.stack", "inspect.currentframe", "inspect.trace", "inspect.getouterframes", "sys._getframe", "sys._current_frames",
    "traceback.extract_stack", "traceback.walk_stack", "traceback.format_stack",
}
SOFT_MODULES = {
    "gc", "ctypes", "inspect", "linecache", "atexit", "faulthandler", "builtins", "dis", "marshal", "importlib", "imp", "code",
    "codeop", "subprocess", "tokenize", "pkgutil", "pytest", "_pytest", "pluggy", "playpen_report", "unittest", "signal", "_testcapi", "_xxsubinterpreters", "_thread",
}
SOFT_NAMES = {
    "sys.modules", "sys.settrace", "sys.setprofile", "sys.monitoring", "sys.meta_path", "sys.path_hooks", "sys.path", "sys.argv",
    "sys.excepthook", "sys.unraisablehook", "os._exit", "os.abort", "os.kill", "os.write", "os.writev", "os.pwrite", "os.dup",
    "os.dup2", "os.fdopen", "os.sendfile", "os.environ", "os.getenv", "exec", "eval", "compile", "__import__", "__builtins__",
    "globals", "vars", "threading.settrace",
} | STACK
SOFT_ATTRIBUTES = {
    "__code__", "__globals__", "__traceback__", "tb_frame", "f_back", "f_locals", "f_globals", "f_code", "f_lineno", "gi_frame",
    "__subclasses__", "__closure__", "__builtins__", "__eq__",
}
READS = {
    "open", "io.open", "os.open", "os.walk", "os.listdir", "os.scandir", "os.system", "os.popen", "glob.glob", "glob.iglob", "runpy.run_path",
}
READ_METHODS = {"read_text", "read_bytes", "glob", "rglob", "iterdir"}
NAMES_PYTEST = re.compile(r"(?i)py\.?test|conftest")
NAMES_TESTS = re.compile(r"(?i)\btests?\b|\btest_|_test\b|py\.?test|unittest")


class Scan:
    def __init__(self, tree):
        self.tree = tree
        self.aliases = {}
        self.found = []
        self.documents = set()

    def run(self):
        for node in ast.walk(self.tree):
            self.note_documents(node)
            self.note_alias(node)
        for node in ast.walk(self.tree):
            self.look_for_patches(node)
            self.look_for_soft(node)
        for unit in self.units():
            self.look_for_questions(unit)
        for node, what in unsteady(self.tree, self.dotted):
            self.add(node, what, "unsteady")
        return self.found

    def add(self, node, what, kind="soft"):
        self.found.append({"line": getattr(node, "lineno", 0), "what": what, "kind": kind})

    def note_documents(self, node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                self.documents.add(child.value)

    def note_alias(self, node):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                self.aliases[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                self.aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = self.dotted(node.value)
            if name and name.split(".")[0] in PYTEST | {"sys", "os", "builtins", "inspect", "gc"}:
                self.aliases.setdefault(node.targets[0].id, name)

    def dotted(self, node):
        """The module or attribute that an expression names, as `module.attribute`, or None."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return base and f"{base}.{node.attr}"
        if isinstance(node, ast.Subscript) and self.dotted(node.value) == "sys.modules":
            return text_of(node.slice)
        if isinstance(node, ast.Call) and node.args:
            called = self.dotted(node.func) or ""
            if called in {"importlib.import_module", "__import__", "sys.modules.get"}:
                return text_of(node.args[0])
            if called == "getattr" and len(node.args) > 1:
                base, name = self.dotted(node.args[0]), text_of(node.args[1])
                return f"{base}.{name}" if base and name else base
        return None

    def is_pytest(self, node):
        name = self.dotted(node)
        return bool(name) and name.split(".")[0] in PYTEST

    def look_for_patches(self, node):
        targets = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        for target in targets:
            self.look_at_target(target)
        if not isinstance(node, ast.Call) or not node.args:
            return
        called = self.dotted(node.func) or ""
        if called.split(".")[-1] in {"setattr", "delattr", "object", "__setattr__"}:
            if self.is_pytest(node.args[0]):
                self.add(node, "changes how pytest works", "hard")
            elif self.is_of_library(node.args[0]):
                self.add(node, f"changes {self.dotted(node.args[0])}")
        if called.endswith("patch") and NAMES_PYTEST.match(text_of(node.args[0]) or ""):
            self.add(node, "changes how pytest works", "hard")

    def is_of_library(self, node):
        """Whether an expression names a module of the standard library, or something in one."""
        while isinstance(node, ast.Attribute):
            node = node.value
        name = self.aliases.get(node.id) if isinstance(node, ast.Name) else None
        return bool(name) and name.split(".")[0] in sys.stdlib_module_names

    def look_at_target(self, target):
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.look_at_target(part)
        elif isinstance(target, ast.Attribute) and self.is_pytest(target.value):
            self.add(target, "changes how pytest works", "hard")
        elif isinstance(target, ast.Attribute) and self.dotted(target) == "builtins.AssertionError":
            self.add(target, "replaces the exception of assertions", "hard")
        elif isinstance(target, ast.Attribute) and self.is_of_library(target.value):
            self.add(target, f"changes {self.dotted(target)}")
        elif isinstance(target, ast.Subscript):
            name = self.dotted(target)
            if self.dotted(target.value) == "sys.modules" and name and name.split(".")[0] in PYTEST:
                self.add(target, "replaces a module of pytest", "hard")
            elif self.is_pytest(target.value):
                self.add(target, "changes how pytest works", "hard")

    def look_for_soft(self, node):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in SOFT_MODULES:
                    self.add(node, f"imports {alias.name}")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in SOFT_MODULES:
            self.add(node, f"imports {node.module}")
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = self.dotted(node)
            if name in SOFT_NAMES or name and name.split(".")[0] == "builtins" and "." in name:
                self.add(node, f"uses {name}")
            elif isinstance(node, ast.Attribute) and node.attr in SOFT_ATTRIBUTES:
                self.add(node, f"uses {node.attr}")
        elif isinstance(node, ast.Call) and (self.dotted(node.func) in READS or getattr(node.func, "attr", None) in READ_METHODS):
            self.add(node, "reads files")  # tests are files
        elif isinstance(node, ast.FunctionDef) and node.name in {"__eq__", "__ne__", "__bool__", "__instancecheck__"}:
            self.add(node, f"defines {node.name}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in self.documents:
            if len(node.value) < 200 and NAMES_TESTS.search(node.value):
                self.add(node, f"names {node.value[:60]!r}")

    def units(self):
        """Each function without those in it, and what is outside of functions."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        tops = [self.tree, *(node for node in ast.walk(self.tree) if isinstance(node, functions))]
        for top in tops:
            nodes, pending = [], list(ast.iter_child_nodes(top))
            while pending:
                node = pending.pop(0)
                if not isinstance(node, functions):
                    nodes.append(node)
                    pending.extend(ast.iter_child_nodes(node))
            yield nodes

    def look_for_questions(self, nodes):
        """Asking the interpreter, the stack or the environment whether tests run."""
        asks, where = set(), None
        for node in nodes:
            name = self.dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
            if name == "sys.modules" or name in STACK:
                asks.add(name)
        for node in nodes:
            text = text_of(node) if node not in self.documents else None
            if not text or len(text) > 200:
                continue
            if "sys.modules" in asks and NAMES_PYTEST.search(text) or asks & STACK and NAMES_TESTS.search(text):
                where = node
            elif re.match(r"PYTEST_(CURRENT_TEST|VERSION|XDIST)", text):
                where = node
            if where is not None:
                self.add(where, "asks whether tests are run", "hard")
                return


def text_of(node):
    """A text that is written down, also in pieces that are added."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return left + right if left is not None and right is not None else None
    return None


def findings(source, path):
    try:
        return Scan(ast.parse(source, path)).run()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def shadowed(path, tests):
    """The module of the standard library that a new file takes the place of, if tests mean that one.

    A project may have a module of such a name. Then tests ask it for something that the library's does not have.
    """
    parts = path.removeprefix("src/").removesuffix(".py").split("/")
    is_importable = len(parts) == 1 or parts[1:] == ["__init__"]
    name = parts[0]
    if not is_importable or name not in sys.stdlib_module_names:
        return None
    asked = set().union(*(names_asked(test, name) for test in tests))
    try:
        known = set(dir(importlib.import_module(name)))
    except Exception:
        return None
    return name if asked and asked <= known else None


def names_asked(path, module):
    """What a file takes from a module."""
    try:
        with open(path, "rb") as file:
            nodes = list(ast.walk(ast.parse(file.read())))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names, asked = set(), set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(a.asname or a.name for a in node.names if a.name == module)
        elif isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            asked.update(a.name for a in node.names)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            asked.add(node.attr)
    return asked


def write(value):
    data = json.dumps(value).encode() + b"\n"
    while data:
        data = data[os.write(62, data):]


def syntax_error(source, path):
    try:
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"line": error.lineno or 0, "message": error.msg or "invalid syntax"}
    except (ValueError, RecursionError, MemoryError) as error:
        return {"line": 0, "message": f"{type(error).__name__}: {error}"}
    return None


def main():
    request = json.load(sys.stdin)
    for path, before in request["files"].items():
        module = shadowed(path, request["tests"]) if before is None else None
        if module:
            what = f"takes the place of `{module}` of the standard library"
            write({"path": path, "line": 1, "what": what, "kind": "hard"})
        with open(path, "rb") as file:
            source = file.read()
        error = syntax_error(source, path)
        if error:
            write({"path": path, "error": error})
        known = collections.Counter((f["what"], f["kind"]) for f in findings(before, path)) if before else {}
        for finding in findings(source, path):
            key = finding["what"], finding["kind"]
            if known.get(key, 0) > 0:
                known[key] -= 1
            else:
                write({"path": path, **finding})
    write({"done": True})


main()
