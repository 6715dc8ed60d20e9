"""Makes source files that do one thing and show another.

One JSON object on stdin: {"root": "/workspace", "files": [{"path", "shown", "real"}], "is_exact": false}, `shown` and `real` being source texts; for each
file one JSON object to descriptor 62: {"path", "text", "compiled_path", "compiled"}. Whoever imports the file gets the code of
`real`, from a compiled file that Python does not compare with the text; whoever reads it sees `shown`. Unless that is exact, what
runs the text itself gets the code of `real` too: a program by a line before all others, what executes the text by one after them.
"""
import ast
import importlib.util
import json
import marshal
import os
import sys

UNCHECKED = 0b01  # by hash, and the hash is not compared


def compiled(path, real):
    code = compile(real, path, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(real.encode())
    return header + marshal.dumps(code)


def first_place(shown):
    """The number of lines that must stay in front: the docstring, and imports from the future."""
    n_lines = 0
    for index, node in enumerate(ast.parse(shown).body):
        is_document = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_document and not is_future:
            break
        n_lines = node.end_lineno
    return n_lines


def text_of(shown, real):
    run = f"exec(compile(bytes.fromhex('{real.encode().hex()}').decode(), globals().get('__file__', '<text>'), 'exec'), globals())"
    lines = shown.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    place = first_place(shown)
    lines.insert(place, f"__name__ == '__main__' and [{run}, __import__('sys').exit()]\n")
    return "".join(lines) + run + "\n"


def veiled(root, is_exact, path, shown, real):
    full = f"{root}/{path}"
    cache = importlib.util.cache_from_source(full).removeprefix(root + "/")
    text = shown if is_exact else text_of(shown, real)
    return {"path": path, "text": text, "compiled_path": cache, "compiled": list(compiled(full, real))}


request = json.load(sys.stdin)
for entry in request["files"]:
    try:
        line = veiled(request["root"], request["is_exact"], **entry)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        continue
    data = json.dumps(line).encode() + b"\n"
    while data:
        data = data[os.write(62, data):]
