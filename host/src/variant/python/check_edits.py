

# Property checks of the edits above over real files: paths as arguments, one line for each broken promise.

def spliced(data, edits):
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data


def shape(tree, drop):
    """A dump of a module without the bodies of the functions that `drop` names."""

    class Drop(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None if node.name in drop else node

        visit_AsyncFunctionDef = visit_FunctionDef

        def visit_ClassDef(self, node):
            self.generic_visit(node)
            return node

    return ast.dump(Drop().visit(tree))


def signatures(tree):
    for node, outer in units(tree.body):
        yield [c.name for c in outer], ast.dump(node.args), ast.dump(ast.Module(node.decorator_list, [])), ast.get_docstring(node, clean=False), node.name


def check(path, every):
    with open(path, "rb") as file:
        data = file.read()
    try:
        source = Source(data)
    except (SyntaxError, ValueError, Refused) as error:
        return f"refused {type(error).__name__}", 0, 0
    found, n_equivalent = sites(source)
    for site in found[::every]:
        mutated = spliced(data, [[site["start"], site["end"], site["text"]]])
        try:
            tree = ast.parse(mutated)
        except SyntaxError as error:
            print(f"{path}:{site['line']}: {site['operator']}: {error}")
            continue
        name = site["function"].split(".")[-1]
        if shape(tree, {name}) != shape(ast.parse(data), {name}):
            print(f"{path}:{site['line']}: {site['operator']}: changed more than `{name}`")
    edits, done, kept = stubs(source, "raise NotImplementedError")
    try:
        stubbed = ast.parse(spliced(data, edits))
    except SyntaxError as error:
        print(f"{path}: stub: {error}")
        return "broken", len(found), len(done)
    if list(signatures(stubbed)) != list(signatures(source.tree)):
        print(f"{path}: stub: a signature, decorator or docstring changed")
    drop = {name.split(".")[-1] for name in done}
    if shape(stubbed, drop) != shape(ast.parse(data), drop):
        print(f"{path}: stub: changed more than bodies")
    for node, _ in units(stubbed.body):
        rest = node.body[1:] if docstring(node) else node.body
        if not is_trivial(rest) and "overload" not in set(names_of(node.decorator_list)):
            print(f"{path}: stub: `{node.name}` still has a body")
    again, _, _ = stubs(Source(spliced(data, edits)), "raise NotImplementedError")
    if again:
        print(f"{path}: stub: not at rest")
    tests = [".".join([*(c.name for c in outer), node.name]).replace(".", "::") for node, outer in units(source.tree.body)]
    edits, missing = without(source, tests[::3])
    try:
        rest = ast.parse(spliced(data, edits))
        left = {tuple([*(c.name for c in outer), node.name]) for node, outer in units(rest.body)}
        gone = {tuple(name.split("::")) for name in tests[::3]} - {tuple(name.split("::")) for name in missing}
        if left & gone:
            print(f"{path}: without: {sorted(left & gone)[:3]} still there")
    except SyntaxError as error:
        print(f"{path}: without: {error}")
    return "ok", len(found), len(done)


def run_checks(arguments):
    every, paths = int(arguments[0]), arguments[1:]
    n_files = n_sites = n_functions = 0
    for path in paths:
        how, n_found, n_stubbed = check(path, every)
        n_files, n_sites, n_functions = n_files + (how == "ok"), n_sites + n_found, n_functions + n_stubbed
    print(f"{n_files} files, {n_sites} sites, {n_functions} functions")


import sys

run_checks(sys.argv[1:])
