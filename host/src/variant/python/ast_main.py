

# The tool: one JSON request on standard input, one JSON line for each file to descriptor 62.

def answer(request, path):
    with open(path, "rb") as file:
        data = file.read()
    source = Source(data)
    operation = request["operation"]
    if operation == "sites":
        found, n_equivalent = sites(source, request["lines"].get(path))
        return {"sites": found, "n_equivalent": n_equivalent}
    if operation == "stub":
        edits, done, kept = stubs(source, request["text"], request["lines"].get(path, ()))
        return {"edits": edits, "functions": done, "kept": kept}
    if operation == "without":
        edits, missing = without(source, request["names"].get(path, ()))
        return {"edits": edits, "missing": missing}
    raise Refused(f"there is no operation {operation!r}")


def main():
    import json
    import os
    import sys

    request = json.load(sys.stdin)
    for path in request["paths"]:
        try:
            reply = answer(request, path)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, Refused) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps({"path": path, **reply}).encode() + b"\n"
        while data:
            data = data[os.write(62, data) :]


main()
