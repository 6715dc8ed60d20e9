"""Task 1.2.1: inodes with direct and indirect blocks."""

import pytest

from blockfs.bitmap import Bitmap
from blockfs.device import BlockDevice
from blockfs.errors import NoSpace, OutOfRange
from blockfs.inode import FILE, FREE, N_DIRECT, InodeTable

BLOCK = 64


def make(n_blocks=80, n_inodes=4):
    """Blocks 0 is never used, 1 holds the bitmap, 2 to 5 the inodes, the rest is data."""
    device = BlockDevice(n_blocks, block_size=BLOCK)
    bitmap = Bitmap(device, 1, n_blocks)
    for block in range(2 + InodeTable.blocks_needed(n_inodes, BLOCK)):
        bitmap.reserve(block)
    return InodeTable(device, 2, n_inodes, bitmap)


def test_inodes_are_allocated_from_the_lowest_and_given_back():
    table = make()
    first, second = table.allocate(FILE), table.allocate(FILE)
    assert (first, second) == (0, 1)
    table.free(first)
    assert table.stat(first).kind == FREE
    assert table.allocate(FILE) == first
    with pytest.raises(OutOfRange):
        table.stat(4)
    table.allocate(FILE)
    table.allocate(FILE)
    with pytest.raises(NoSpace):
        table.allocate(FILE)


def test_data_is_read_back_over_block_borders():
    table = make()
    number = table.allocate(FILE)
    data = bytes(range(200))
    assert table.write(number, 0, data) == 200
    assert table.read(number) == data
    assert table.read(number, 60, 10) == data[60:70]
    assert table.read(number, 190, 50) == data[190:]
    assert table.read(number, 500, 5) == b""


def test_overwriting_keeps_the_rest():
    table = make()
    number = table.allocate(FILE)
    table.write(number, 0, b"a" * 130)
    table.write(number, 63, b"XY")
    assert table.read(number) == b"a" * 63 + b"XY" + b"a" * 65


def test_file_grows_into_the_indirect_block():
    table = make()
    number = table.allocate(FILE)
    free = table.bitmap.n_free
    size = N_DIRECT * BLOCK
    table.write(number, 0, b"d" * size)
    assert table.stat(number).indirect == 0
    table.write(number, size, b"i")
    assert table.stat(number).indirect != 0
    assert table.bitmap.n_free == free - N_DIRECT - 2
    assert table.read(number, size - 1, 2) == b"di"


def test_hole_reads_as_zero_and_takes_no_blocks():
    table = make()
    number = table.allocate(FILE)
    free = table.bitmap.n_free
    table.write(number, 10 * BLOCK, b"end")
    assert table.bitmap.n_free == free - 1
    assert table.stat(number).size == 10 * BLOCK + 3
    assert table.read(number, 0, 3) == bytes(3)
    assert table.read(number, 10 * BLOCK - 1, 4) == b"\0end"


def test_truncating_gives_back_blocks():
    table = make()
    number = table.allocate(FILE)
    free = table.bitmap.n_free
    table.write(number, 0, b"z" * (N_DIRECT + 3) * BLOCK)
    table.truncate(number, N_DIRECT * BLOCK + 1)
    assert table.bitmap.n_free == free - N_DIRECT - 2
    table.truncate(number, N_DIRECT * BLOCK)
    assert table.stat(number).indirect == 0
    table.truncate(number, 0)
    assert table.bitmap.n_free == free


def test_growing_after_truncation_shows_no_old_data():
    table = make()
    number = table.allocate(FILE)
    table.write(number, 0, b"secret" * 20)
    table.truncate(number, 6)
    table.truncate(number, 100)
    assert table.read(number) == b"secret" + bytes(94)
    table.truncate(number, 3)
    table.write(number, 10, b"!")
    assert table.read(number) == b"sec" + bytes(7) + b"!"


def test_file_cannot_exceed_its_pointers():
    table = make(n_blocks=120)
    number = table.allocate(FILE)
    assert table.max_size == (N_DIRECT + BLOCK // 4) * BLOCK
    table.write(number, table.max_size - 1, b"x")
    with pytest.raises(NoSpace):
        table.write(number, table.max_size, b"x")
    with pytest.raises(NoSpace):
        table.truncate(number, table.max_size + 1)
    assert table.stat(number).size == table.max_size
