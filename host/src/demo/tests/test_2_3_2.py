"""Task 2.3.2: archives."""

import struct
import zlib

import pytest

from blockfs.archive import dump, load
from blockfs.device import BlockDevice
from blockfs.errors import AlreadyExists, CorruptImage
from blockfs.filesystem import FileSystem


def empty():
    return FileSystem.format(BlockDevice(128, block_size=128))


def tree():
    fs = empty()
    fs.mkdir("/b")
    fs.write_file("/b/two", b"12")
    fs.write_file("/a", b"\0\xff" * 70)
    fs.mkdir("/c")
    return fs


def test_tree_comes_back():
    archive = dump(tree())
    fs = empty()
    assert load(fs, archive) == 4
    assert fs.listdir("/") == ["a", "b", "c"]
    assert fs.read_file("/a") == b"\0\xff" * 70
    assert fs.read_file("/b/two") == b"12"
    assert fs.listdir("/c") == []


def test_archive_has_the_documented_bytes():
    fs = empty()
    fs.mkdir("/d")
    fs.write_file("/d/f", b"xyz")
    body = b"BLKA" + struct.pack("<BHI", 2, 1, 0) + b"d" + struct.pack("<BHI", 1, 3, 3) + b"d/fxyz"
    assert dump(fs) == body + struct.pack("<I", zlib.crc32(body))
    assert dump(empty()) == b"BLKA" + struct.pack("<I", zlib.crc32(b"BLKA"))


def test_part_of_a_tree_goes_to_another_place():
    archive = dump(tree(), "/b")
    fs = empty()
    fs.mkdir("/here")
    assert load(fs, archive, "/here/") == 1
    assert fs.listdir("/here") == ["two"]
    assert fs.read_file("/here/two") == b"12"


def test_damaged_archives_are_refused_and_nothing_is_written():
    archive = dump(tree())
    body = b"BLKA" + struct.pack("<BHI", 3, 1, 0) + b"d"
    foreign = body + struct.pack("<I", zlib.crc32(body))
    body = b"BLKB"
    other = body + struct.pack("<I", zlib.crc32(body))
    damaged = archive[:20] + bytes([archive[20] ^ 1]) + archive[21:]
    for data in (b"", archive[:-1], damaged, foreign, other):
        fs = empty()
        with pytest.raises(CorruptImage):
            load(fs, data)
        assert fs.listdir("/") == []


def test_directories_that_are_there_are_refused():
    fs = tree()
    with pytest.raises(AlreadyExists):
        load(fs, dump(tree(), "/"))
