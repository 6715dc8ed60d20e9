"""Task 2.1.1: directories and path lookup."""

import pytest

from blockfs.device import BlockDevice
from blockfs.errors import (
    AlreadyExists,
    CorruptImage,
    DirectoryNotEmpty,
    FsError,
    InvalidName,
    IsADirectory,
    NotADirectory,
    NotFound,
)
from blockfs.filesystem import FileSystem


def make(n_blocks=200, n_inodes=32):
    return FileSystem.format(BlockDevice(n_blocks, block_size=128), n_inodes)


def test_new_file_system_has_an_empty_root():
    fs = make()
    assert fs.listdir("/") == []
    assert fs.bitmap.n_free == 200 - fs.first_data_block


def test_files_are_found_by_their_paths():
    fs = make()
    fs.mkdir("/a")
    fs.mkdir("/a/b")
    fs.write_file("/a/b/c.txt", b"deep")
    fs.write_file("/a/b/c.txt", b"new")
    assert fs.read_file("/a/b/c.txt") == b"new"
    assert fs.read_file("//a/./b/../b/c.txt") == b"new"
    assert fs.read_file("/../a/b/c.txt") == b"new"
    assert fs.listdir("/a") == ["b"]


def test_mounting_again_shows_the_same_tree():
    fs = make()
    fs.mkdir("/docs")
    fs.write_file("/docs/big", bytes(range(256)) * 10)
    image = fs.device.to_bytes()
    again = FileSystem.mount(BlockDevice.from_bytes(image, block_size=128))
    assert again.read_file("/docs/big") == bytes(range(256)) * 10
    with pytest.raises(CorruptImage):
        FileSystem.mount(BlockDevice(200, block_size=128))


def test_wrong_paths_have_their_own_errors():
    fs = make()
    fs.write_file("/file", b"")
    fs.mkdir("/dir")
    with pytest.raises(NotFound):
        fs.read_file("/missing")
    with pytest.raises(NotFound):
        fs.write_file("/missing/file", b"")
    with pytest.raises(NotADirectory):
        fs.read_file("/file/x")
    with pytest.raises(IsADirectory):
        fs.read_file("/dir")
    with pytest.raises(AlreadyExists):
        fs.mkdir("/file")
    with pytest.raises(InvalidName):
        fs.mkdir("relative")
    with pytest.raises(InvalidName):
        fs.mkdir("/" + "n" * 256)


def test_removing_gives_back_every_block():
    fs = make()
    free = fs.bitmap.n_free
    fs.mkdir("/d")
    fs.write_file("/d/f", b"x" * 2000)
    with pytest.raises(DirectoryNotEmpty):
        fs.rmdir("/d")
    with pytest.raises(IsADirectory):
        fs.unlink("/d")
    fs.unlink("/d/f")
    fs.rmdir("/d")
    assert fs.listdir("/") == []
    assert fs.bitmap.n_free == free
    with pytest.raises(NotFound):
        fs.unlink("/d/f")


def test_rename_moves_a_tree_and_not_into_itself():
    fs = make()
    fs.mkdir("/a")
    fs.mkdir("/b")
    fs.write_file("/a/f", b"1")
    fs.rename("/a", "/b/c")
    assert fs.read_file("/b/c/f") == b"1"
    assert fs.listdir("/") == ["b"]
    with pytest.raises(FsError):
        fs.rename("/b", "/b/c/d")
    fs.write_file("/g", b"2")
    with pytest.raises(AlreadyExists):
        fs.rename("/g", "/b/c")
    assert fs.read_file("/b/c/f") == b"1"


def test_many_names_fill_several_blocks():
    fs = make()
    names = [f"file-{i:02}" for i in range(30)]
    for name in reversed(names):
        fs.write_file("/" + name, name.encode())
    assert fs.listdir("/") == names
    for name in names[::2]:
        fs.unlink("/" + name)
    assert fs.listdir("/") == names[1::2]
    assert fs.read_file("/file-29") == b"file-29"
