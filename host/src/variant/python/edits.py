"""Edits of Python source: places found by CPython's own parser, changes made to the text.

Nothing is unparsed. An edit is `[start, end, text]` in bytes of the file, so comments and formatting of the
rest stay as they are, byte for byte. Files that are not UTF-8 are refused: the parser counts columns in UTF-8.
"""
import ast
import hashlib
import io
import re
import tokenize
import warnings

warnings.simplefilter("ignore", SyntaxWarning)  # of the files that are read

BOM = b"\xef\xbb\xbf"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
FUTURE_FLAGS = {"annotations": 0x1000000}


class Refused(Exception):
    """A file that cannot be edited, and why."""


class Source:
    """The bytes of a file, and where its lines begin."""

    def __init__(self, data):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            raise Refused(f"its encoding is {encoding}")
        self.data = data
        self.tree = ast.parse(data)
        self.starts = [len(BOM) if data.startswith(BOM) else 0]
        self.starts += [match.end() for match in re.finditer(rb"\r\n|\r|\n", data)]
        self.flags = 0
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                for alias in node.names:
                    self.flags |= FUTURE_FLAGS.get(alias.name, 0)

    def at(self, line, column):
        return self.starts[line - 1] + column

    def start(self, node):
        return self.at(node.lineno, node.col_offset)

    def end(self, node):
        return self.at(node.end_lineno, node.end_col_offset)

    def text(self, node):
        return self.data[self.start(node) : self.end(node)].decode()

    def line(self, number):
        """A line's bytes, its end included; lines count from 1."""
        end = self.starts[number] if number < len(self.starts) else len(self.data)
        return self.data[self.starts[number - 1] : end]


def begin(node):
    """A statement's first line and column: a decorator's `@` comes before the name."""
    if getattr(node, "decorator_list", None):
        return node.decorator_list[0].lineno, node.col_offset
    return node.lineno, node.col_offset


def units(body, outer=()):
    """Functions that lie in no other function, each with the classes around it, outermost first."""
    for node in body:
        if isinstance(node, FUNCTIONS):
            yield node, outer
        elif isinstance(node, ast.ClassDef):
            yield from units(node.body, (*outer, node))
        else:
            for field in ("body", "handlers", "orelse", "finalbody", "cases"):
                yield from units(getattr(node, field, []), outer)


def docstring(node):
    """The node of a docstring, or None."""
    first = node.body[0] if node.body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first if is_text and isinstance(first.value.value, str) else None


def names_of(decorators):
    for decorator in decorators:
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_trivial(body):
    """Whether a body (without its docstring) holds no work: `...`, `pass`, `raise NotImplementedError`."""
    for node in body:
        if isinstance(node, ast.Pass):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if getattr(error, "id", "") == "NotImplementedError":
                continue
        return False
    return True


def is_comment(line):
    return not line.strip() or line.lstrip().startswith(b"#")


# Stubs

def stubs(source, text, keep_lines=()):
    """Edits that replace each function's body by `text`; signature, decorators and docstring stay.

    Overloads and bodies without work stay as they are, and so do functions with a line in `keep_lines`.
    """
    keep, edits, done, kept = set(keep_lines), [], [], []
    for node, outer in units(source.tree.body):
        name = ".".join([*(c.name for c in outer), node.name])
        doc = docstring(node)
        body = node.body[1:] if doc else node.body
        if is_trivial(body) or "overload" in set(names_of(node.decorator_list)):
            continue
        if keep.intersection(range(body[0].lineno, node.end_lineno + 1)):
            kept.append(name)
            continue
        edits.append(stub(source, node, doc, body, text.encode()))
        done.append(name)
    return edits, done, kept


def stub(source, node, doc, body, text):
    """The edit that makes one function a stub, the comments that belong to the body included."""
    line, column = begin(body[0])
    start = source.at(line, column)
    header = doc.end_lineno if doc else None
    own_line = not source.line(line)[:column].strip()
    if own_line:
        first = line
        while first - 1 > (header or node.lineno) and is_comment(source.line(first - 1)):
            first -= 1
        while not source.line(first).strip():
            first += 1  # blank lines after the header stay
        indent = source.line(line)[:column]
        if first < line:
            start, text = source.starts[first - 1], indent + text
    end = source.end(node)
    last = node.end_lineno
    rest = source.data[end : source.starts[last] if last < len(source.starts) else len(source.data)]
    if rest.strip().startswith((b"#", b";")):
        end += len(rest.rstrip(b"\r\n"))
    if own_line:
        # Comments below that are indented like the body belong to it.
        while last + 1 <= len(source.starts) and is_comment(source.line(last + 1)):
            last += 1
            comment = source.line(last)
            if comment.strip():
                if len(comment) - len(comment.lstrip()) < column:
                    break
                end = source.starts[last - 1] + len(comment.rstrip(b"\r\n"))
    return [start, end, text.decode()]


def without(source, names):
    """Edits that remove the functions `names` (`test_a`, `TestA::test_b`), and the names not found."""
    wanted, missing, edits = set(names), set(names), []
    for body, prefix in containers(source.tree.body):
        doomed = [n for n in body if isinstance(n, FUNCTIONS) and prefix + n.name in wanted]
        missing -= {prefix + n.name for n in doomed}
        rest = len(body) - len(doomed)
        for node in doomed:
            line, column = begin(node)
            start = source.at(line, column)
            end = source.end(node)
            if rest == 0 and node is doomed[0] and body is not source.tree.body:
                edits.append([start, end, "pass"])
                continue
            last = node.end_lineno
            after = source.starts[last] if last < len(source.starts) else len(source.data)
            if not source.line(line)[:column].strip() and not source.data[end:after].strip():
                start, end = source.starts[line - 1], after
            edits.append([start, end, "" if start == source.starts[line - 1] else "pass"])
    return edits, sorted(missing)


def containers(body, prefix=""):
    """Lists of statements outside of functions, with the prefix that functions there have in a test's id."""
    yield body, prefix
    for node in body:
        if isinstance(node, FUNCTIONS):
            continue
        inner = prefix + node.name + "::" if isinstance(node, ast.ClassDef) else prefix
        blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
        blocks += [handler.body for handler in getattr(node, "handlers", [])]
        for block in blocks:
            yield from containers(block, inner)


# Mutations

SWAPPED_OPERATORS = {
    ast.Add: ("arithmetic", "+", "-"),
    ast.Sub: ("arithmetic", "-", "+"),
    ast.Mult: ("arithmetic", "*", "//"),
    ast.Div: ("arithmetic", "/", "*"),
    ast.FloorDiv: ("arithmetic", "//", "*"),
    ast.Mod: ("arithmetic", "%", "//"),
    ast.Pow: ("arithmetic", "**", "*"),
    ast.LShift: ("arithmetic", "<<", ">>"),
    ast.RShift: ("arithmetic", ">>", "<<"),
    ast.BitAnd: ("arithmetic", "&", "|"),
    ast.BitOr: ("arithmetic", "|", "&"),
    ast.BitXor: ("arithmetic", "^", "&"),
}
SWAPPED_COMPARISONS = {
    ast.Lt: [("boundary", "<", "<="), ("comparison", "<", ">=")],
    ast.LtE: [("boundary", "<=", "<"), ("comparison", "<=", ">")],
    ast.Gt: [("boundary", ">", ">="), ("comparison", ">", "<=")],
    ast.GtE: [("boundary", ">=", ">"), ("comparison", ">=", "<")],
    ast.Eq: [("comparison", "==", "!=")],
    ast.NotEq: [("comparison", "!=", "==")],
    ast.Is: [("comparison", "is", "is not")],
    ast.IsNot: [("comparison", "is not", "is")],
    ast.In: [("comparison", "in", "not in")],
    ast.NotIn: [("comparison", "not in", "in")],
}


class Finder:
    """Lists the places of one function where a small change can be made."""

    def __init__(self, source):
        self.source = source
        self.found = []
        self.is_raising = False

    def add(self, operator, start, end, text):
        self.found.append((operator, start, end, text))

    def between(self, left, right, symbol):
        """The place of an operator's words between two operands; None if a comment hides it."""
        start, end = self.source.end(left), self.source.start(right)
        gap = self.source.data[start:end]
        gap = re.sub(rb"#[^\r\n]*", lambda match: b" " * len(match[0]), gap)
        words = rb"(?:\s|\\)+".join(re.escape(word).encode() for word in symbol.split())
        match = re.search(words, gap)
        return (start + match.start(), start + match.end()) if match else None

    def swap(self, operator, left, right, symbol, other):
        place = self.between(left, right, symbol)
        if place:
            self.add(operator, *place, other)

    def body(self, body):
        for node in body:
            self.statement(node)

    def function(self, node):
        doc = docstring(node)
        self.body(node.body[1:] if doc else node.body)

    def statement(self, node):
        if isinstance(node, FUNCTIONS):
            return self.function(node)
        if isinstance(node, ast.ClassDef):
            return self.body(node.body[1:] if docstring(node) else node.body)
        visit = getattr(self, "on_" + type(node).__name__, None)
        if visit:
            visit(node)
        self.is_raising = isinstance(node, ast.Raise)  # the text of a message is no behavior
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_comment", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self.statement(child)
                elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
                    self.handler(child)
                elif isinstance(child, ast.AST):
                    self.expression(child)
        self.is_raising = False

    def handler(self, node):
        if isinstance(node, ast.ExceptHandler):
            self.on_handler(node)
        else:
            if node.guard is not None:
                self.expression(node.guard)
        self.body(node.body)

    def delete(self, node):
        self.add("statement", self.source.start(node), self.source.end(node), "pass")

    def on_Expr(self, node):
        value = node.value
        if not isinstance(value, (ast.Constant, ast.Yield, ast.YieldFrom)):
            self.delete(node)

    def on_Assign(self, node):
        if not any(isinstance(t, ast.Name) for t in node.targets):
            self.delete(node)

    def on_Delete(self, node):
        self.delete(node)

    def on_Raise(self, node):
        self.add("exception", self.source.start(node), self.source.end(node), "pass")

    def on_AugAssign(self, node):
        self.delete(node)
        operator, symbol, other = SWAPPED_OPERATORS.get(type(node.op), ("", "", ""))
        if symbol and not is_text(node.value):
            self.swap(operator, node.target, node.value, symbol + "=", other + "=")

    def on_Return(self, node):
        value = node.value
        if value is None or isinstance(value, ast.Constant) and value.value is None:
            return
        start, end = self.source.start(value), self.source.end(value)
        # A line break may stand in parentheses around the value, so nothing but the value goes.
        self.add("return", start, end, "None")
        if isinstance(value, (ast.Compare, ast.BoolOp)):
            self.add("return", start, end, f"(not ({self.source.text(value)}))")

    def on_Break(self, node):
        self.add("loop", self.source.start(node), self.source.end(node), "continue")

    def on_Continue(self, node):
        self.add("loop", self.source.start(node), self.source.end(node), "break")

    def on_If(self, node):
        self.negate(node.test)

    def on_While(self, node):
        self.negate(node.test)

    def on_handler(self, node):
        if node.type is None:
            return
        start, end = self.source.start(node.type), self.source.end(node.type)
        self.add("exception", start, end, "()")
        if isinstance(node.type, ast.Tuple) and len(node.type.elts) > 1:
            for element in node.type.elts:
                self.add("exception", start, end, self.source.text(element))

    def negate(self, test):
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return  # `on_UnaryOp` takes the `not` away
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return  # the comparison itself is turned
        start, end = self.source.start(test), self.source.end(test)
        self.add("boolean", start, end, f"(not ({self.source.text(test)}))")

    def expression(self, node):
        if isinstance(node, (ast.JoinedStr, ast.expr_context, ast.pattern)):
            return
        visit = getattr(self, "on_" + type(node).__name__, None)
        if visit:
            visit(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.comprehension):
                self.expression(child.iter)
                for test in child.ifs:
                    self.negate(test)
                    self.expression(test)
            elif isinstance(child, ast.keyword):
                self.expression(child.value)
            elif isinstance(child, ast.arguments):
                for default in [*child.defaults, *child.kw_defaults]:
                    if default is not None:
                        self.expression(default)
            elif isinstance(child, ast.expr):
                self.expression(child)

    def on_BinOp(self, node):
        operator, symbol, other = SWAPPED_OPERATORS.get(type(node.op), ("", "", ""))
        if symbol and not is_text(node.left) and not is_text(node.right):
            self.swap(operator, node.left, node.right, symbol, other)

    def on_Compare(self, node):
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, operands[1:]):
            for operator, symbol, other in SWAPPED_COMPARISONS.get(type(op), []):
                self.swap(operator, left, right, symbol, other)

    def on_BoolOp(self, node):
        symbol, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:]):
            self.swap("boolean", left, right, symbol, other)

    def on_UnaryOp(self, node):
        start = self.source.start(node)
        if isinstance(node.op, ast.Not):
            self.add("boolean", start, self.source.end(node), f"(True if {self.source.text(node.operand)} else False)")
        elif isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add("arithmetic", start, start + 1, "+")

    def on_IfExp(self, node):
        self.negate(node.test)

    def on_Constant(self, node):
        value = node.value
        start, end = self.source.start(node), self.source.end(node)
        if value is True or value is False:
            self.add("constant", start, end, str(not value))
        elif type(value) is int:
            self.add("constant", start, end, f"{value + 1}")
            if value > 1:
                self.add("constant", start, end, f"{value - 1}")
        elif type(value) is float and value == value and abs(value) < 1e300:
            self.add("constant", start, end, repr(value + 1.0))
        elif type(value) is str and not self.is_raising and self.source.data[start:start + 1] in (b"'", b'"'):
            self.add("constant", start, end, "''" if value else "' '")

    def on_Subscript(self, node):
        if isinstance(node.slice, ast.Slice):
            for bound in (node.slice.lower, node.slice.upper):
                if bound is not None and not isinstance(bound, ast.Constant):
                    self.add("boundary", self.source.start(bound), self.source.end(bound),
                             f"(({self.source.text(bound)}) + 1)")

    def on_Call(self, node):
        args = node.args
        if getattr(node.func, "id", "") == "range" and args:
            last = args[min(1, len(args) - 1)]
            if not isinstance(last, (ast.Constant, ast.Starred)):
                self.add("boundary", self.source.start(last), self.source.end(last),
                         f"(({self.source.text(last)}) - 1)")
        if len(args) >= 2 and not any(isinstance(arg, (ast.Starred, ast.GeneratorExp)) for arg in args[:2]):
            first, second = args[0], args[1]
            texts = self.source.text(first), self.source.text(second)
            gap = self.source.data[self.source.end(first) : self.source.start(second)].decode()
            if texts[0] != texts[1] and "(" not in gap and ")" not in gap:
                self.add("argument", self.source.start(first), self.source.end(second),
                         texts[1] + gap + texts[0])


def is_text(node):
    """Whether an operand is text for certain, where another operator could only raise."""
    return isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def segment(source, node):
    """A function's own lines, and the offset at which they begin."""
    line, _ = begin(node)
    return source.starts[line - 1], source.starts[node.end_lineno] if node.end_lineno < len(source.starts) else len(source.data)


def compiled(text, flags):
    """A function compiled on its own: `text` is its lines, at whatever indentation."""
    data = b"if 1:\n" + text if text[:1] in (b" ", b"\t") else text
    return compile(data, "function", "exec", flags=flags, dont_inherit=True)


def code_hash(code):
    """A digest of what a code object does; positions do not count."""
    digest = hashlib.sha256()
    pending = [code]
    while pending:
        item = pending.pop()
        digest.update(repr((item.co_name, item.co_code, item.co_names, item.co_varnames, item.co_freevars,
                            item.co_cellvars, item.co_flags, item.co_exceptiontable)).encode())
        for const in item.co_consts:
            if hasattr(const, "co_code"):
                pending.append(const)
            else:
                digest.update(f"{type(const).__name__} {const!r}".encode())
    return digest.hexdigest()[:32]


def sites(source, lines=None):
    """Mutations of the functions of a file, on `lines` only if given.

    Each is one that compiles, and whose code differs from the original's and from that of each other.
    Returns them, and how many were dropped because they change nothing.
    """
    wanted = None if lines is None else set(lines)
    found, n_equivalent = [], 0
    for node, outer in units(source.tree.body):
        if wanted is not None and not wanted.intersection(range(node.lineno, node.end_lineno + 1)):
            continue
        finder = Finder(source)
        finder.function(node)
        if not finder.found:
            continue
        begins, ends = segment(source, node)
        try:
            seen = {code_hash(compiled(source.data[begins:ends], source.flags))}
        except SyntaxError:
            continue  # `nonlocal` and the like need what is around; no function of a plain module does
        name = ".".join([*(c.name for c in outer), node.name])
        for operator, start, end, text in finder.found:
            line = source.data.count(b"\n", 0, start) + 1
            if wanted is not None and not wanted.intersection(range(line, line + source.data.count(b"\n", start, end) + 1)):
                continue
            mutated = source.data[begins:start] + text.encode() + source.data[end:ends]
            try:
                digest = code_hash(compiled(mutated, source.flags))
            except (SyntaxError, ValueError, OverflowError):
                continue
            if digest in seen:
                n_equivalent += 1
                continue
            seen.add(digest)
            found.append({"operator": operator, "function": name, "line": line, "start": start, "end": end,
                          "text": text, "original": source.data[start:end].decode(), "hash": digest})
    return found, n_equivalent
