"""Task 2.3.1: walking through trees."""

import pytest

from blockfs.device import BlockDevice
from blockfs.errors import NotADirectory, NotFound
from blockfs.filesystem import FileSystem
from blockfs.inode import DIRECTORY, FILE
from blockfs.walk import usage, walk


def tree():
    fs = FileSystem.format(BlockDevice(128, block_size=128))
    fs.mkdir("/b")
    fs.mkdir("/b/inner")
    fs.write_file("/b/inner/deep.txt", b"12345")
    fs.write_file("/b/two", b"12")
    fs.write_file("/a", b"1")
    fs.mkdir("/c")
    return fs


def test_everything_is_listed_in_order():
    assert [path for path, _ in walk(tree())] == [
        "/a", "/b", "/b/inner", "/b/inner/deep.txt", "/b/two", "/c",
    ]


def test_kinds_and_sizes_come_with_the_paths():
    found = {path: (inode.kind, inode.size) for path, inode in walk(tree())}
    assert found["/a"] == (FILE, 1)
    assert found["/b/inner/deep.txt"] == (FILE, 5)
    assert found["/c"] == (DIRECTORY, 0)


def test_a_walk_can_begin_anywhere():
    for start in ("/b", "/b/"):
        assert [path for path, _ in walk(tree(), start)] == [
            "/b/inner", "/b/inner/deep.txt", "/b/two",
        ]
    assert list(walk(tree(), "/c")) == []


def test_usage_counts_the_bytes_of_files():
    fs = tree()
    assert usage(fs) == 8
    assert usage(fs, "/b") == 7
    assert usage(fs, "/c") == 0
    assert usage(fs, "/b/two") == 2


def test_wrong_starts_have_their_own_errors():
    fs = tree()
    with pytest.raises(NotFound):
        list(walk(fs, "/none"))
    with pytest.raises(NotADirectory):
        list(walk(fs, "/a"))
    with pytest.raises(NotFound):
        usage(fs, "/none")
