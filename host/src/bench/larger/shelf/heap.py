"""A heap, and sorting with it."""

from shelf.errors import ShelfError


class Heap:
    """Gives back the smallest of its items."""

    def __init__(self, items=()):
        self.items = []
        for item in items:
            self.push(item)

    def __len__(self):
        return len(self.items)

    def push(self, item):
        items, at = self.items, len(self.items)
        items.append(item)
        while at and items[at] < items[(at - 1) // 2]:
            parent = (at - 1) // 2
            items[at], items[parent] = items[parent], items[at]
            at = parent

    def pop(self):
        if not self.items:
            raise ShelfError("nothing is left")
        items = self.items
        items[0], items[-1] = items[-1], items[0]
        smallest = items.pop()
        self.sink()
        return smallest

    def sink(self):
        items, at = self.items, 0
        while 2 * at + 1 < len(items):
            child = 2 * at + 1
            if child + 1 < len(items) and items[child + 1] < items[child]:
                child += 1
            if items[at] <= items[child]:
                return
            items[at], items[child] = items[child], items[at]
            at = child


def heap_sort(items):
    """A sorted list of the items."""
    heap = Heap(items)
    return [heap.pop() for _ in range(len(heap))]
