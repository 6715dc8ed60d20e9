"""Rewrites test files: the same tests under the same names, with other expectations or another spelling.

One JSON object on stdin: {"files": [PATH], "mode": "contradicted" | "respelled", "round": 0, "salt": "text"}; one JSON
object a file to descriptor 62: {"path", "text", "functions"}, where `functions` are those that were changed.

`contradicted`: each test that passed must not pass any more, whatever the code under test does, as long as it does
the same as before. One expectation of a test that is always checked is replaced by another value or its opposite; a test
without one raises at its end. `respelled`: the tests mean the same and are not the same bytes.
"""
import ast
import json
import os
import sys

OFFSET = 2147483629  # a prime that few moduli divide
OPPOSITES = [
    ("assertTrue", "assertFalse"), ("assertEqual", "assertNotEqual"), ("assertIs", "assertIsNot"), ("assertIn", "assertNotIn"),
    ("assertIsNone", "assertIsNotNone"), ("assertIsInstance", "assertNotIsInstance"), ("assertGreater", "assertLessEqual"),
    ("assertLess", "assertGreaterEqual"), ("assertAlmostEqual", "assertNotAlmostEqual"), ("assertRegex", "assertNotRegex"),
]
OPPOSITE = dict(OPPOSITES) | {b: a for a, b in OPPOSITES}
EQUALITIES = {"assertEqual", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSetEqual", "assertMultiLineEqual"}
COMPARISONS = {"isclose", "allclose"}
HARMLESS = {"pytest", "mock", "patch", "parametrize", "mark", "unittest", "given", "settings", "example", "staticmethod"}


class File:
    """A source text and the changes to be made in it."""

    def __init__(self, source, tree):
        self.tree = tree
        self.lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.encode()))
        self.data = source.encode()
        self.edits = []

    def at(self, line, column):
        return self.starts[line - 1] + column

    def text(self, node):
        return self.data[self.at(node.lineno, node.col_offset) : self.at(node.end_lineno, node.end_col_offset)].decode()

    def replace(self, node, text):
        self.edits.append(
            (self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset), text)
        )

    def indent(self, statement):
        """The white space before a statement, or None if it does not stand first in its line."""
        before = self.lines[first_line(statement) - 1].encode()[: statement.col_offset].decode()
        return before if not before.strip() else None

    def insert_before(self, statement, text):
        indent = self.indent(statement)
        at = self.at(first_line(statement), statement.col_offset)
        is_simple = not hasattr(statement, "body") and not isinstance(statement, (ast.Match,))
        if is_simple:
            self.edits.append((at, at, f"{text}; "))
        elif indent is not None:
            self.edits.append((at, at, f"{text}\n{indent}"))

    def append(self, body, text):
        last, indent = body[-1], self.indent(body[0])
        if indent is None:
            at = self.at(last.end_lineno, last.end_col_offset)
            self.edits.append((at, at, f"; {text}"))
        else:
            at = self.starts[last.end_lineno]
            line_end = b"" if self.data[:at].endswith((b"\n", b"\r")) else b"\n"
            self.edits.append((at, at, f"{line_end.decode()}{indent}{text}\n"))

    def result(self):
        data = self.data
        for start, end, text in sorted(self.edits, reverse=True):
            data = data[:start] + text.encode() + data[end:]
        return data.decode()


def first_line(statement):
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(d.lineno for d in decorators)])


def own_nodes(function):
    """What a function runs itself, without the functions and classes in it."""
    pending = list(function.body)
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))


def tests_of(body, prefix=""):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from tests_of(node.body, prefix + node.name + "::")


def is_plain(function):
    """Whether nothing around the body of a test can swallow what it raises."""
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own_nodes(function)):
        return False
    for decorator in function.decorator_list:
        names = {n.id for n in ast.walk(decorator) if isinstance(n, ast.Name)}
        names |= {n.attr for n in ast.walk(decorator) if isinstance(n, ast.Attribute)}
        if not names & HARMLESS:
            return False
    return True


def other(value, salt):
    """A value of the same type that is not equal to `value`."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + OFFSET
    if isinstance(value, float):
        return value + OFFSET if abs(value) < 1e15 else 0.5
    if isinstance(value, complex):
        return value + OFFSET
    if isinstance(value, str):
        return value + salt
    if isinstance(value, bytes):
        return value + salt.encode()
    if isinstance(value, (list, tuple)):
        rest = [other(value[0], salt), *value[1:]] if value else [salt]
        return type(value)(rest)
    if isinstance(value, set):
        return value | {salt}
    if isinstance(value, dict):
        if not value:
            return {salt: 0}
        first = next(iter(value))
        return {**value, first: other(value[first], salt)}
    return salt


def literal(node):
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def other_literal(node, salt):
    is_literal, value = literal(node)
    text = repr(other(value, salt)) if is_literal else None
    return None if text is None or "inf" in text or "nan" in text else text


def change_expected(file, function, node, salt):
    """Makes the expected side of a comparison another one."""
    text = other_literal(node, salt)
    if text is None and isinstance(node, ast.Call) and node.args and file.text(node.func).split(".")[-1] == "approx":
        text = other_literal(node.args[0], salt)
        node = node.args[0] if text else node
    if text is None and isinstance(node, ast.Name) and change_name(file, function, node.id, salt):
        return
    file.replace(node, text if text is not None else f"({file.text(node)}, {salt!r})")


def change_name(file, function, name, salt):
    """Changes what a name stands for, if it is used for nothing but one comparison."""
    named = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    stores = [n for n in named if isinstance(n.ctx, ast.Store)]
    arguments = {a.arg for a in [*function.args.args, *function.args.kwonlyargs]}
    if name in arguments and len(named) == 1:
        body = [s for s in function.body if not is_document(s)]
        file.insert_before(body[0], f"{name} = ({name}, {salt!r})")
        return True
    if len(named) == 2 and len(stores) == 1 and name not in arguments:
        for statement in function.body:
            if isinstance(statement, ast.Assign) and statement.targets == stores:
                text = other_literal(statement.value, salt)
                if text is not None:
                    file.replace(statement.value, text)
                    return True
    return False


def is_document(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def is_simple_value(node):
    """Whether an expression is of the kind that is expected rather than computed."""
    return literal(node)[0] or isinstance(node, ast.Name)


def sites(file, function, salt, is_odd):
    """The expectations that are checked whenever the test comes to its end: those by value, then the others.

    What is computed can be an object that is equal to everything on either side: odd rounds change the other one.
    """
    by_value, by_opposite = [], []
    for statement in function.body:
        if isinstance(statement, ast.Assert):
            site = assert_site(file, function, statement.test, salt, is_odd)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            site = call_site(file, function, statement.value, salt)
        else:
            continue
        if site:
            (by_value if site[0] else by_opposite).append(site[1])
    return by_value or by_opposite


def assert_site(file, function, test, salt, is_odd):
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        if isinstance(test.ops[0], ast.Eq) and not constructs(function, left) and not constructs(function, right):
            node = right if is_simple_value(right) or not is_simple_value(left) else left
            computed = left if node is right else right
            if is_odd and not literal(node)[0] and is_of_test(file, function, node):
                return True, lambda: file.replace(computed, f"({file.text(computed)}, {salt!r})")
            return True, lambda: change_expected(file, function, node, salt)
        if isinstance(test.ops[0], (ast.Lt, ast.LtE)):
            operand = distant(function, left)
            if operand is not None:
                return True, lambda: file.replace(operand, f"(({file.text(operand)}) + {OFFSET})")
        if isinstance(test.ops[0], ast.Is) and isinstance(right, ast.Constant) and right.value in (True, False, None):
            return True, lambda: file.replace(right, repr(right.value is not True))
    if called_name(test) in COMPARISONS and len(test.args) > 1 and not any(constructs(function, a) for a in test.args[:2]):
        expected = test.args[0] if literal(test.args[0])[0] else test.args[1]
        return True, lambda: file.replace(expected, f"(({file.text(expected)}) + {OFFSET})")
    within = site_in_all(file, function, test, salt, is_odd)
    if within:
        return True, within
    return False, lambda: file.replace(test, f"not ({file.text(test)})")


def site_in_all(file, function, test, salt, is_odd):
    """The expectation in `all(a == b for ...)`. Nothing to compare counts as a contradiction too: it must not pass."""
    if called_name(test) != "all" or not isinstance(test.func, ast.Name) or len(test.args) != 1:
        return None
    each = test.args[0]
    if not isinstance(each, (ast.GeneratorExp, ast.ListComp)) or any(part.is_async for part in each.generators):
        return None
    if any(isinstance(node, (ast.Await, ast.NamedExpr)) for node in ast.walk(each)):
        return None
    by_value, change = assert_site(file, function, each.elt, salt, is_odd)
    if not by_value:
        return None

    def changed():
        change()
        file.replace(test.func, "(lambda each: (lambda those: len(those) > 0 and all(those))(list(each)))")

    return changed


def is_of_test(file, function, node):
    """Whether an expectation is computed, or named by the test file itself. What is imported may be a pattern."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if not isinstance(node, ast.Name):
        return True
    arguments = {a.arg for a in [*function.args.args, *function.args.kwonlyargs]}
    stores = (n.id for n in ast.walk(file.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return node.id in arguments or node.id in stores


def distant(function, node):
    """The expected one of two numbers whose distance is taken: `abs(a - b)`."""
    name = called_name(node)
    if name not in {"abs", "fabs"} or len(node.args) != 1:
        return None
    distance = node.args[0]
    if not isinstance(distance, ast.BinOp) or not isinstance(distance.op, ast.Sub):
        return None
    if constructs(function, distance.left) or constructs(function, distance.right):
        return None
    return distance.left if literal(distance.left)[0] else distance.right


def called_name(node):
    if not isinstance(node, ast.Call):
        return None
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)


def constructs(function, node):
    """Whether an expression makes an object of a class, or names one that the test made.

    How such an object compares may be what is tested: a class of patterns is equal to many values.
    """
    if isinstance(node, ast.Name):
        for statement in function.body:
            if isinstance(statement, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in statement.targets):
                return constructs(function, statement.value) if not isinstance(statement.value, ast.Name) else False
        return False
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return any(constructs(function, part) for part in node.elts)
    if isinstance(node, ast.Dict):
        return any(constructs(function, part) for part in node.values)
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.lstrip("_")[:1].isupper()


def call_site(file, function, call, salt):
    method = call.func
    if not isinstance(method, ast.Attribute) or len(call.args) < 1:
        return None
    if method.attr in EQUALITIES and len(call.args) > 1 and not any(constructs(function, a) for a in call.args[:2]):
        left, right = call.args[:2]
        node = right if is_simple_value(right) or not is_simple_value(left) else left
        return True, lambda: change_expected(file, function, node, salt)
    if method.attr in OPPOSITE:
        text = f"{file.text(method.value)}.{OPPOSITE[method.attr]}"
        return False, lambda: file.replace(method, text)
    return None


def contradict(file, function, salt, number):
    refuse = f"raise AssertionError({salt!r})"
    found = sites(file, function, salt, number % 2 == 1)
    if found:
        found[number // 2 % len(found)]()
    else:
        file.append(function.body, refuse)
    for node in own_nodes(function):
        if isinstance(node, ast.Return):
            file.replace(node, refuse)


def respell(file, function, salt):
    """Adds a statement at the end, so that no line that is there changes or moves within the test.

    Expected values stand in another form, and come to be when they are compared: whoever reads them from the test, its
    code, its globals or its file does not find them. Those that the module keeps under a name are written out.
    """
    file.append(function.body, f"_{salt} = 0")
    for statement in function.body:
        for side in compared(statement):
            value = constant(file, side.id) if isinstance(side, ast.Name) else side
            if value is not None and value.lineno == value.end_lineno and literal(value)[0] and side.lineno == side.end_lineno:
                text = f"({file.text(value)})".encode().hex()
                file.replace(side, f"__import__('ast').literal_eval(bytes.fromhex({text!r}).decode())")


def compared(statement):
    """The two sides of an equality that a statement asserts."""
    test = statement.test if isinstance(statement, ast.Assert) else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        return [test.left, test.comparators[0]]
    call = statement.value if isinstance(statement, ast.Expr) else None
    is_equality = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in EQUALITIES
    return call.args[:2] if is_equality and len(call.args) > 1 else []


def constant(file, name):
    """The literal that a name of the module stands for, if it is never anything else."""
    values = []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            values.append(node)
        is_changed = isinstance(node, (ast.Attribute, ast.Subscript)) and getattr(node.value, "id", None) == name
        if is_changed and (isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load)):
            return None
        if isinstance(node, ast.arg) and node.arg == name:
            return None
    for statement in file.tree.body:
        if isinstance(statement, ast.Assign) and statement.targets == values and literal(statement.value)[0]:
            return statement.value
    return None


def rewrite(path, request):
    with open(path, "rb") as opened:
        data = opened.read()
    source = data.decode("utf-8-sig")
    tree = ast.parse(source, path)
    file, functions = File(source, tree), []
    for name, function in tests_of(tree.body):
        if not is_plain(function):
            continue
        n_edits = len(file.edits)
        if request["mode"] == "contradicted":
            contradict(file, function, request["salt"], request["round"])
        else:
            respell(file, function, request["salt"])
        if len(file.edits) > n_edits:
            functions.append(name)
    text = file.result()
    ast.parse(text, path)
    return {"path": path, "text": text, "functions": functions}


def main():
    request = json.load(sys.stdin)
    for path in request["files"]:
        try:
            line = rewrite(path, request)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = {"path": path, "text": None, "functions": [], "error": f"{type(error).__name__}: {error}"}
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(62, data):]


main()
