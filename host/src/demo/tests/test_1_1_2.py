"""Task 1.1.2: the bitmap allocator."""

import pytest

from blockfs.bitmap import Bitmap
from blockfs.device import BlockDevice
from blockfs.errors import FsError, NoSpace, OutOfRange


def make(n_bits=20, block_size=2):
    return Bitmap(BlockDevice(4, block_size=block_size), 1, n_bits)


def test_allocation_takes_the_lowest_free_bit():
    bitmap = make()
    assert [bitmap.allocate() for _ in range(3)] == [0, 1, 2]
    bitmap.free(1)
    assert bitmap.allocate() == 1
    assert bitmap.allocate() == 3


def test_run_is_the_first_that_is_long_enough():
    bitmap = make()
    for index in (2, 5, 6):
        bitmap.reserve(index)
    assert bitmap.allocate_run(3) == 7
    assert bitmap.allocate_run(2) == 0
    assert bitmap.allocate_run(2) == 3
    assert bitmap.allocate() == 10


def test_run_crosses_block_borders():
    bitmap = make()
    assert bitmap.allocate_run(18) == 0
    assert bitmap.is_allocated(17)
    assert not bitmap.is_allocated(18)
    assert bitmap.n_free == 2


def test_full_bitmap_has_no_space_and_stays_as_it_was():
    bitmap = make(n_bits=9)
    bitmap.allocate_run(8)
    with pytest.raises(NoSpace):
        bitmap.allocate_run(2)
    assert bitmap.n_free == 1
    assert bitmap.allocate() == 8
    with pytest.raises(NoSpace):
        bitmap.allocate()


def test_double_free_and_double_reserve_are_refused():
    bitmap = make()
    bitmap.reserve(4)
    with pytest.raises(FsError):
        bitmap.reserve(4)
    bitmap.free(4)
    with pytest.raises(FsError):
        bitmap.free(4)
    with pytest.raises(OutOfRange):
        bitmap.free(20)


def test_state_lives_on_the_device():
    device = BlockDevice(4, block_size=2)
    Bitmap(device, 1, 20).reserve(9)
    assert device.read(1) == bytes([0, 2])
    again = Bitmap(BlockDevice.from_bytes(device.to_bytes(), block_size=2), 1, 20)
    assert again.is_allocated(9)
    assert again.n_free == 19
    assert Bitmap.blocks_needed(20, 2) == 2
    assert Bitmap.blocks_needed(16, 2) == 1
