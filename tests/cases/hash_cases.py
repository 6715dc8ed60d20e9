"""Hashes, and the order of sets that follows from them, as JSON lines. Strings have the seed 0."""

import json
import os
import random
import subprocess
import sys

HERE = __name__ == "__main__"


def values():
    """Values by name, of each type whose hash is a number that follows from the value alone."""
    from collections import namedtuple
    from datetime import date, datetime, time, timedelta, timezone
    from decimal import Decimal
    from fractions import Fraction
    from ipaddress import ip_address
    from pathlib import PurePosixPath
    from uuid import UUID
    from zoneinfo import ZoneInfo

    Point = namedtuple("Point", "x y")
    yield "small ints", list(range(-300, 300, 7))
    yield "powers of two", [sign * 2**n + d for n in range(0, 200, 3) for d in (-1, 0, 1) for sign in (1, -1)]
    yield "powers of ten", [10**n for n in range(40)]
    yield "the modulus", [(2**61 - 1) * n + d for n in (1, 2, 5) for d in (-1, 0, 1)] + [2**31 - 1, 2**31]
    yield "floats", [0.1, 1.5, -2.25, 1e300, 5e-324, float("inf"), float("-inf"), 3.0, -0.0, 2.0**70, 1 / 3]
    yield "complex", [1j, 1 + 2j, -1.5 - 2j, complex(3, 0)]
    yield "decimals", [Decimal(t) for t in ("0", "1.5", "-1E+30", "1E-30", "123456789.987654321", "7E500", "Infinity")]
    yield "a decimal and its int", [hash(Decimal(10**n)) == hash(10**n) for n in range(0, 60, 7)]
    yield "fractions", [Fraction(1, 3), Fraction(-7, 2), Fraction(10**20, 3), Fraction(1, 2**61 - 1)]
    yield "tuples", [(), (1,), (1, 2), (-1, -2), ((1, 2), 3), tuple(range(50)), (1.5, None, True)]
    yield "frozensets", [frozenset(), frozenset({1}), frozenset(range(20)), frozenset({(1, 2), (3, 4)})]
    yield "ranges and slices", [range(5), range(0, 100, 7), range(0), slice(1, 2, 3), slice(None)]
    yield "singletons", [None, True, False]
    yield "strings", ["", "a", "abc", "a longer string of characters", "\u00e9", "\u65e5\u672c", "\U0001f600" * 9]
    yield "bytes", [b"", b"a", b"\x00" * 33, bytes(range(256)), memoryview(b"abc")]
    yield "named tuples", [Point(1, 2), Point("x", 2.5)]
    yield "dates", [date(2024, 2, 29), time(12, 30), timedelta(days=3, seconds=5), datetime(2020, 1, 1, 5)]
    yield "aware", [datetime(2020, 1, 1, tzinfo=timezone.utc), timezone(timedelta(hours=2))]
    yield "others", [UUID(int=5), PurePosixPath("/a/b"), ip_address("10.0.0.1"), ip_address("::1")]


class Own:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return self.value

    def __eq__(self, other):
        return self.value == other.value

    def __repr__(self):
        return f"Own({self.value})"


def sets():
    """Sets by name; what is iterated over shows where each element lies."""
    some = random.Random(5)
    yield "ints", {some.randrange(-(10**12), 10**12) for _ in range(500)}
    yield "negative ints", set(range(-60, 5))
    yield "floats", {some.random() * 10**some.randrange(-5, 12) for _ in range(300)}
    yield "tuples", {(x, y) for x in range(12) for y in range(-6, 6)}
    yield "strings", {f"name {n}" for n in range(400)}
    yield "words", set("the quick brown fox jumps over the lazy dog again and again".split())
    yield "mixed", {1, "a", (2, 3), 2.5, None, b"x", frozenset({4}), 10**30}
    yield "collisions", {Own(n << 40) for n in range(40)} | {Own(2**62 + n) for n in range(9)}
    grown = set(range(1000))
    grown -= set(range(0, 1000, 3))
    yield "grown and shrunk", grown | {-n for n in range(50)}
    yield "union", {(n, n * n) for n in range(40)} | {(n * n, n) for n in range(40)}
    yield "pops", [{*range(0, 10**10, 3 * 10**8)}.pop(), {"b", "a", "c"}.pop()]
    yield "vars", set(vars(Own))
    yield "deduplicated", list(set("mississippi"))


def report(name, outcome):
    print(json.dumps({"id": name, "outcome": outcome}), flush=True)


if HERE and sys.argv[1:] != ["seeded"]:
    environment = dict(os.environ, PYTHONHASHSEED="0")
    sys.exit(subprocess.run([sys.executable, __file__, "seeded"], env=environment).returncode)
if HERE:
    for name, found in values():
        report(f"hashes of {name}", [hash(value) for value in found])
    for name, found in sets():
        report(f"order of {name}", [repr(value) for value in found])
    report("hash_info", {field: getattr(sys.hash_info, field) for field in sys.hash_info.__match_args__})
    report("__hash__ of an int", [(5).__hash__(), (2**61).__hash__(), int.__hash__(-1)])
    report("own hashes", [hash(Own(n)) for n in (2**61, 2**63 - 1, 2**63, 2**64 + 5, -(2**63), -1, 2**200)])
