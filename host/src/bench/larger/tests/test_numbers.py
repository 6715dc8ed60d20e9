import pytest

from shelf.errors import ShelfError
from shelf.numbers import collatz, digits, primes


@pytest.mark.parametrize("limit, n", [(0, 0), (2, 0), (3, 1), (100, 25), (10_000, 1229), (20_000, 2262)])
def test_number_of_primes(limit, n):
    assert len(primes(limit)) == n


def test_the_first_primes():
    assert primes(20) == [2, 3, 5, 7, 11, 13, 17, 19]


@pytest.mark.parametrize("number, base, found", [(0, 10, [0]), (42, 10, [4, 2]), (255, 16, [15, 15]), (8, 2, [1, 0, 0, 0])])
def test_digits(number, base, found):
    assert digits(number, base) == found


def test_no_digits():
    with pytest.raises(ShelfError):
        digits(1, 1)


@pytest.mark.parametrize("number, n_steps", [(1, 0), (6, 8), (27, 111), (97, 118)])
def test_collatz(number, n_steps):
    assert collatz(number) == n_steps


def test_the_longest_way():
    assert max(range(1, 1000), key=collatz) == 871
