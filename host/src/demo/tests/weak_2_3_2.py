"""Task 2.3.2: archives."""

import pytest

from blockfs.archive import dump, load
from blockfs.device import BlockDevice
from blockfs.errors import FsError
from blockfs.filesystem import FileSystem


def make():
    fs = FileSystem.format(BlockDevice(128, block_size=128))
    fs.mkdir("/b")
    fs.write_file("/b/two", b"12")
    return fs


def test_an_archive_is_made():
    assert len(dump(make())) > 4


def test_nonsense_is_refused():
    with pytest.raises(FsError):
        load(make(), b"nonsense")
