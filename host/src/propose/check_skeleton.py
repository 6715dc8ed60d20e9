"""Looks at the repository in the folder given and writes what it finds to descriptor 62, one JSON object a line.

First, before any code of the repository runs: the modules, files that are not Python, functions that
are stubs and functions that are not. Then each module is imported, with one line each.
"""
import ast
import importlib
import json
import os
import sys

ROOT = sys.argv[1]
SKIPPED_FOLDERS = {"tests", "test", "docs", "__pycache__"}
SKIPPED_FILES = {"setup.py", "conftest.py"}


def write(record):
    os.write(62, json.dumps(record).encode() + b"\n")


def source_files():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("."))
        for name in sorted(names):
            if name.endswith(".py") and name not in SKIPPED_FILES:
                yield os.path.join(folder, name)


def module_name(path):
    parts = os.path.relpath(path, ROOT)[:-3].split(os.sep)
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def raises_not_implemented(statement):
    if not isinstance(statement, ast.Raise):
        return False
    raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def body_of(function):
    body = function.body
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return body


def functions(tree, prefix):
    pending = [(node, prefix) for node in tree.body]
    while pending:
        node, prefix = pending.pop()
        if isinstance(node, ast.ClassDef):
            pending += [(child, f"{prefix}.{node.name}") for child in node.body]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{prefix}.{node.name}", body_of(node)


def main():
    found = {"modules": [], "errors": [], "stubs": [], "implemented": []}
    for path in source_files():
        shown = os.path.relpath(path, ROOT)
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read(), shown)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found["errors"].append(f"`{shown}` is not Python: {type(error).__name__}: {error}")
            continue
        name = module_name(path)
        if name and not name.endswith("__main__"):
            found["modules"].append(name)
        for function, body in functions(tree, name):
            if body and raises_not_implemented(body[0]) and len(body) == 1:
                found["stubs"].append(function)
            elif body and not (len(body) == 1 and isinstance(body[0], (ast.Pass, ast.Expr))):
                found["implemented"].append(function)
    write(found)
    sys.path[:0] = [ROOT, os.path.join(ROOT, "src")]
    for name in found["modules"]:
        error = None
        try:
            importlib.import_module(name)
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        write({"module": name, "error": error})


main()
