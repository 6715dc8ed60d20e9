import pytest

from shelf.errors import ShelfError
from shelf.matrix import fibonacci, identity, power, product

SQUARE = [[(3 * row + 5 * column) % 7 for column in range(12)] for row in range(12)]


@pytest.mark.parametrize("n", [0, 1, 5, 30])
def test_identity(n):
    rows = identity(n)
    assert sum(map(sum, rows)) == n
    assert len(rows) == n


def test_identity_changes_nothing():
    assert product(SQUARE, identity(12)) == SQUARE
    assert product(identity(12), SQUARE) == SQUARE


def test_product():
    assert product([[1, 2], [3, 4]], [[5], [6]]) == [[17], [39]]


def test_sizes_must_fit():
    with pytest.raises(ShelfError):
        product([[1, 2]], [[1, 2]])


@pytest.mark.parametrize("exponent", [1, 2, 3, 8])
def test_power_is_repeated_product(exponent):
    expected = SQUARE
    for _ in range(exponent - 1):
        expected = product(expected, SQUARE)
    assert power(SQUARE, exponent) == expected


@pytest.mark.parametrize("n, number", [(0, 0), (1, 1), (2, 1), (10, 55), (90, 2880067194370816120)])
def test_fibonacci(n, number):
    assert fibonacci(n) == number
