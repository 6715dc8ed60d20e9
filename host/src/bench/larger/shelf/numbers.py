"""Numbers."""

from shelf.errors import ShelfError


def primes(limit):
    """All primes below a limit."""
    is_prime = [True] * max(limit, 0)
    for number in range(2, limit):
        if is_prime[number]:
            for multiple in range(number * number, limit, number):
                is_prime[multiple] = False
    return [number for number in range(2, limit) if is_prime[number]]


def digits(number, base=10):
    """The digits of a number, the first one first."""
    if base < 2 or number < 0:
        raise ShelfError(f"no digits of {number} to base {base}")
    found = []
    while number:
        number, digit = divmod(number, base)
        found.append(digit)
    return found[::-1] or [0]


def collatz(number):
    """The steps from a number down to 1."""
    if number < 1:
        raise ShelfError(f"{number} leads nowhere")
    n_steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        n_steps += 1
    return n_steps
