"""Reads test files without running them: JSON list of paths on stdin, one JSON object a file to descriptor 62."""
import ast
import json
import os
import sys

PLUGIN_NAMES = {"pytest_plugins"}


def is_test_class(node):
    named = node.name.startswith("Test")
    bases = {b.attr if isinstance(b, ast.Attribute) else getattr(b, "id", "") for b in node.bases}
    return named or any(base.endswith("TestCase") for base in bases)


def functions(body, prefix=""):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef) and is_test_class(node):
            yield from functions(node.body, prefix + node.name + "::")


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
    return {"functions": list(functions(tree.body)), "hooks": list(hooks(path, tree))}


for path in json.load(sys.stdin):
    line = json.dumps({"path": path, **look_at(path)}) + "\n"
    data = line.encode()
    while data:
        data = data[os.write(62, data):]
