"""Task 1.1.1: the block device."""

import pytest

from blockfs.device import BlockDevice
from blockfs.errors import DeviceCrashed, FsError, OutOfRange


def test_new_device_is_zero():
    device = BlockDevice(4, block_size=16)
    assert device.read(3) == bytes(16)
    assert device.to_bytes() == bytes(64)


def test_write_pads_short_data_and_keeps_neighbors():
    device = BlockDevice(3, block_size=8)
    device.write(0, b"A" * 8)
    device.write(1, b"xyz")
    device.write(1, b"q")
    assert device.read(1) == b"q" + bytes(7)
    assert device.read(0) == b"A" * 8
    assert device.read(2) == bytes(8)


@pytest.mark.parametrize("block", [-1, 4, 1000])
def test_block_out_of_range_is_refused(block):
    device = BlockDevice(4, block_size=8)
    with pytest.raises(OutOfRange):
        device.read(block)
    with pytest.raises(OutOfRange):
        device.write(block, b"")


def test_data_longer_than_a_block_is_refused_and_changes_nothing():
    device = BlockDevice(2, block_size=4)
    with pytest.raises(FsError):
        device.write(0, b"12345")
    assert device.to_bytes() == bytes(8)
    assert device.writes == 0


def test_accesses_are_counted():
    device = BlockDevice(4)
    device.write(0, b"a")
    device.write(1, b"b")
    device.read(0)
    assert (device.reads, device.writes) == (1, 2)


def test_image_survives_a_round_trip():
    device = BlockDevice(3, block_size=8)
    device.write(2, b"payload")
    copy = BlockDevice.from_bytes(device.to_bytes(), block_size=8)
    assert copy.n_blocks == 3
    assert copy.read(2) == b"payload\0"
    copy.write(2, b"other")
    assert device.read(2) == b"payload\0"
    with pytest.raises(FsError):
        BlockDevice.from_bytes(bytes(9), block_size=8)


def test_power_fails_after_the_given_number_of_writes():
    device = BlockDevice(4, block_size=4)
    device.crash_after(2)
    device.write(0, b"a")
    device.write(1, b"b")
    with pytest.raises(DeviceCrashed):
        device.write(2, b"c")
    with pytest.raises(DeviceCrashed):
        device.read(0)
    device.restart()
    assert device.read(1) == b"b\0\0\0"
    assert device.read(2) == bytes(4)
