"""What counts as usage: bytes of files and nothing else."""

import pytest

from blockfs.device import BlockDevice
from blockfs.filesystem import FileSystem
from blockfs.walk import usage


def nested(n_levels):
    fs = FileSystem.format(BlockDevice(128, block_size=128))
    path = ""
    for level in range(n_levels):
        path += f"/d{level}"
        fs.mkdir(path)
    fs.write_file(path + "/file", b"12")
    return fs


@pytest.mark.parametrize("n_levels", [2, 3, 5])
def test_directories_do_not_count(n_levels):
    assert usage(nested(n_levels)) == 2


def test_files_of_all_levels_count_once():
    fs = nested(2)
    fs.write_file("/top", b"123")
    fs.write_file("/d0/middle", b"1")
    assert usage(fs) == 6
    assert usage(fs, "/d0") == 3
