"""Task 2.2.1: the journal."""

import pytest

from blockfs.device import BlockDevice
from blockfs.errors import DeviceCrashed, NoSpace, OutOfRange
from blockfs.journal import Journal

OLD = {10: b"old-10", 12: b"old-12", 15: b"old-15"}
NEW = {10: b"new-10", 12: b"new-12", 15: b"new-15"}


def make():
    device = BlockDevice(20, block_size=64)
    for block, data in OLD.items():
        device.write(block, data)
    return device, Journal(device, 1, 5)


def content(device):
    return {block: device.read(block).rstrip(b"\0") for block in OLD}


def test_commit_writes_all_blocks_and_leaves_nothing_to_recover():
    device, journal = make()
    journal.commit(NEW)
    assert content(device) == NEW
    assert journal.recover() == 0


def test_crash_at_any_write_leaves_all_or_nothing():
    outcomes = []
    for n_writes in range(20):
        device, journal = make()
        device.crash_after(n_writes)
        try:
            journal.commit(NEW)
            crashed = False
        except DeviceCrashed:
            crashed = True
        device.restart()
        journal.recover()
        assert content(device) in (OLD, NEW), n_writes
        outcomes.append(content(device) == NEW)
        if not crashed:
            break
    assert outcomes == sorted(outcomes)
    assert outcomes[0] is False and outcomes[-1] is True
    assert outcomes.count(True) > 2


def test_recovery_can_crash_and_start_again():
    device, journal = make()
    device.crash_after(5)
    with pytest.raises(DeviceCrashed):
        journal.commit(NEW)
    device.restart()
    device.crash_after(1)
    with pytest.raises(DeviceCrashed):
        journal.recover()
    device.restart()
    assert journal.recover() == 3
    assert content(device) == NEW


def test_damaged_journal_is_not_replayed():
    device, journal = make()
    device.crash_after(4)
    with pytest.raises(DeviceCrashed):
        journal.commit(NEW)
    device.restart()
    device.write(3, b"scribble")
    assert journal.recover() == 0
    assert content(device) == OLD


def test_limits_are_checked_before_anything_is_written():
    device, journal = make()
    before = device.to_bytes()
    with pytest.raises(NoSpace):
        journal.commit({block: b"x" for block in range(10, 15)})
    with pytest.raises(OutOfRange):
        journal.commit({10: b"x", 99: b"y"})
    with pytest.raises(OutOfRange):
        journal.commit({10: b"x", 1: b"y"})
    journal.commit({})
    assert device.to_bytes() == before
