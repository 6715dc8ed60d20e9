"""What may come out otherwise the next time: time, chance, and what is kept from one call to the next.

None of it is wrong. It calls for more runs, of which some start at other times and some hold a single test.
"""
import ast

UNSTEADY_MODULES = {
    "time", "datetime", "random", "secrets", "uuid", "calendar", "zoneinfo", "threading", "_thread", "asyncio", "concurrent",
    "multiprocessing", "queue", "weakref", "gc", "ctypes", "importlib", "shelve", "dbm", "sqlite3", "contextvars", "resource",
}
UNSTEADY_NAMES = {
    "hash", "id", "os.urandom", "os.getrandom", "os.getpid", "os.times", "os.environ", "os.getenv", "os.putenv", "os.stat",
    "sys.modules", "sys.getrefcount", "exec", "eval", "compile", "__import__", "globals", "vars", "__file__", "__builtins__",
    "setattr", "functools.lru_cache", "functools.cache", "functools.cached_property", "tempfile.gettempdir", "os.open", "os.mkdir",
}
UNSTEADY_ATTRIBUTES = {"__dict__", "__defaults__", "__kwdefaults__", "__code__", "__globals__", "__closure__"}
SETS = {"set", "frozenset"}
CHANGES = {
    "append", "appendleft", "extend", "extendleft", "insert", "add", "update", "setdefault", "pop", "popleft", "popitem", "remove",
    "discard", "clear", "reverse", "sort", "rotate", "send", "__next__", "__setitem__", "__delitem__", "subtract", "write", "put",
}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Call, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def outside_functions(tree):
    """What runs when a module is imported, bodies of classes included."""
    pending = list(ast.iter_child_nodes(tree))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            pending.extend(ast.iter_child_nodes(node))


def kept_names(tree):
    """Names at the top of a module or of a class."""
    kept = set()
    for node in outside_functions(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            kept.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            kept.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    return kept


def kept_objects(tree, tops):
    """Yields what is made of the module's own classes and functions when it is imported, decorators included."""
    for node in outside_functions(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in tops:
            yield node, f"keeps what {last_name(node.func)} makes"
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if last_name(called) in tops:
                yield node, f"keeps what {last_name(called)} makes"


def last_name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def unsteady(tree, dotted):
    """Yields (node, what) for each place; `dotted` names modules and their attributes."""
    kept, tops = kept_names(tree), {node.name for node in tree.body if isinstance(node, (*FUNCTIONS[:2], ast.ClassDef))}
    yield from kept_objects(tree, tops)
    for node in ast.walk(tree):
        what = of_node(node, kept, tops, dotted)
        if what:
            yield node, what


def of_node(node, kept, tops, dotted):
    if isinstance(node, ast.Import):
        found = [alias.name for alias in node.names if alias.name.split(".")[0] in UNSTEADY_MODULES]
        return f"imports {found[0]}" if found else None
    if isinstance(node, ast.ImportFrom):
        is_found = not node.level and (node.module or "").split(".")[0] in UNSTEADY_MODULES
        return f"imports {node.module}" if is_found else None
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return f"keeps {node.names[0]}"
    if isinstance(node, FUNCTIONS):
        defaults = [*node.args.defaults, *node.args.kw_defaults]
        return "keeps a default" if any(isinstance(d, MUTABLE) for d in defaults) else None
    if isinstance(node, ast.Call):
        return of_call(node, kept, dotted)
    if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
        name = dotted(node)
        is_known = name in UNSTEADY_NAMES or getattr(node, "attr", None) in UNSTEADY_ATTRIBUTES
        return f"uses {name or node.attr}" if is_known else None
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return of_target(node, kept, tops)
    iterated = node.iter if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) else None
    return "goes through a set" if iterated is not None and is_set(iterated) else None


def of_target(node, kept, tops):
    """Something is put into an attribute or an entry."""
    base = node.value
    if isinstance(node, ast.Subscript):
        return f"changes {last_name(base)}" if last_name(base) in kept else None
    if isinstance(base, ast.Name) and (base.id in tops or base.id == "cls" or base.id in kept):
        return f"changes {base.id}.{node.attr}"
    is_of_class = isinstance(base, ast.Attribute) and base.attr == "__class__"
    is_of_type = isinstance(base, ast.Call) and last_name(base.func) == "type"
    return f"changes {node.attr} of a class" if is_of_class or is_of_type else None


def of_call(node, kept, dotted):
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr in CHANGES and last_name(called.value) in kept:
        return f"changes {last_name(called.value)}"
    name = dotted(called)
    if name == "next" and node.args and last_name(node.args[0]) in kept:
        return f"changes {last_name(node.args[0])}"
    if name in {"open", "pathlib.Path", "io.open"} and node.args and not isinstance(node.args[0], (ast.Name, ast.Attribute)):
        return "opens a file of its own"
    if name in {"list", "tuple", "next", "iter", "enumerate"} and node.args and is_set(node.args[0]):
        return "goes through a set"
    if isinstance(called, ast.Attribute) and called.attr in {"join", "pop"} and any(is_set(part) for part in [called.value, *node.args]):
        return "goes through a set"
    return None


def is_set(node):
    is_made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SETS
    return is_made or isinstance(node, (ast.Set, ast.SetComp))


