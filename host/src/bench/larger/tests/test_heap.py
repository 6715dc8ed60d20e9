import random

import pytest

from shelf.errors import ShelfError
from shelf.heap import Heap, heap_sort


@pytest.fixture
def shuffled():
    numbers = list(range(600))
    random.Random(4).shuffle(numbers)
    return numbers


@pytest.mark.parametrize("items", [[], [1], [2, 1], [1, 1, 1], list("heapsort")])
def test_short_lists(items):
    assert heap_sort(items) == sorted(items)


def test_a_long_list(shuffled):
    assert heap_sort(shuffled) == list(range(600))


def test_length(shuffled):
    heap = Heap(shuffled)
    heap.pop()
    assert len(heap) == 599


def test_push_and_pop_in_turn(shuffled):
    heap, taken = Heap(shuffled[:300]), []
    for item in shuffled[300:]:
        heap.push(item)
        taken.append(heap.pop())
    assert len(taken) == 300
    assert min(heap.items) > taken[0]


def test_nothing_is_left():
    with pytest.raises(ShelfError):
        Heap().pop()
