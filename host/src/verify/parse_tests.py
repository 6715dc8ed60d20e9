"""Reads test files without running them: JSON list of paths on stdin, one JSON object a file to descriptor 62."""
import ast
import json
import os
import sys

PLUGIN_NAMES = {"pytest_plugins"}
IDLE = {"skip", "xfail", "expectedFailure"}


def is_test_class(node):
    named = node.name.startswith("Test")
    bases = {b.attr if isinstance(b, ast.Attribute) else getattr(b, "id", "") for b in node.bases}
    return named or any(base.endswith("TestCase") for base in bases)


def functions(body, prefix="", is_idle=False):
    """Yields the name of each test function, and whether a mark says that it does not run, or fails."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            yield prefix + node.name, is_idle or has_idle_mark(node)
        elif isinstance(node, ast.ClassDef) and is_test_class(node):
            yield from functions(node.body, prefix + node.name + "::", is_idle or has_idle_mark(node))


def has_idle_mark(node):
    """Whether a decorator is one of those, without a condition."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        has_condition = name == "xfail" and isinstance(decorator, ast.Call) and decorator.args
        if name in IDLE and not has_condition:
            return True
    return False


def bound_names(tree):
    """Names that the module binds at any place outside of functions, in order."""
    pending = list(tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        pending = list(ast.iter_child_nodes(node)) + pending


def hooks(path, tree):
    is_conftest = os.path.basename(path) == "conftest.py"
    for name in bound_names(tree):
        if name in PLUGIN_NAMES or is_conftest and (name.startswith("pytest_") or name == "*"):
            yield name


def look_at(path):
    try:
        with open(path, "rb") as file:
            source = file.read()
        tree = ast.parse(source, path)
        compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"error": {"line": error.lineno or 0, "message": error.msg or "invalid syntax"}}
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return {"error": {"line": 0, "message": f"{type(error).__name__}: {error}"}}
    found = list(functions(tree.body))
    idle = [name for name, is_idle in found if is_idle]
    return {"functions": [name for name, _ in found], "idle": idle, "hooks": list(hooks(path, tree))}


for path in json.load(sys.stdin):
    line = json.dumps({"path": path, **look_at(path)}) + "\n"
    data = line.encode()
    while data:
        data = data[os.write(62, data):]
