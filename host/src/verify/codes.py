"""Compiles test files as pytest does, with its rewriting of assertions: what several runs need is made once.

One JSON object on stdin: {"root": "/workspace", "files": [PATH]}; to descriptor 62 one marshalled dictionary, from a
file to the hash of its text and its code. Nothing of the files is run. A file that does not compile is left out: the
run says why.
"""
import ast
import importlib.util
import json
import marshal
import os
import sys

from _pytest.assertion.rewrite import rewrite_asserts


def compiled(path):
    with open(path, "rb") as file:
        source = file.read()
    tree = ast.parse(source, filename=path)
    rewrite_asserts(tree, source, path)
    code = compile(tree, path, "exec", dont_inherit=True)
    return importlib.util.source_hash(source), marshal.dumps(code)


request, codes = json.load(sys.stdin), {}
for name in request["files"]:
    path = f"{request['root']}/{name}"
    try:
        codes[path] = compiled(path)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        pass
answer = marshal.dumps(codes)
while answer:
    answer = answer[os.write(62, answer):]
