"""Matrices as lists of rows."""

from shelf.errors import ShelfError


def identity(n):
    """The matrix that changes nothing."""
    return [[int(row == column) for column in range(n)] for row in range(n)]


def product(one, other):
    """One matrix times another."""
    if one and len(one[0]) != len(other):
        raise ShelfError("the sizes do not fit")
    columns = list(zip(*other))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in one]


def power(matrix, exponent):
    """A matrix times itself."""
    result = identity(len(matrix))
    while exponent:
        if exponent % 2:
            result = product(result, matrix)
        matrix, exponent = product(matrix, matrix), exponent // 2
    return result


def fibonacci(n):
    """The number with index `n` of the series 0, 1, 1, 2, ..."""
    return power([[1, 1], [1, 0]], n)[0][1]
