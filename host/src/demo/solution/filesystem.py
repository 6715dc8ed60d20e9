"""Directories, paths and the superblock: the file system as its users see it."""

import struct

from blockfs.bitmap import Bitmap
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
from blockfs.inode import DIRECTORY, FILE, InodeTable

MAGIC = b"BLKF"
SUPERBLOCK = struct.Struct("<4sIII")
ENTRY = struct.Struct("<IB")
ROOT = 0
MAX_NAME = 255


class FileSystem:
    """Block 0 is the superblock; the bitmap, the inodes and the data follow."""

    def __init__(self, device, n_inodes):
        block_size = device.block_size
        self.device = device
        self.bitmap = Bitmap(device, 1, device.n_blocks)
        first_inode_block = 1 + Bitmap.blocks_needed(device.n_blocks, block_size)
        self.inodes = InodeTable(device, first_inode_block, n_inodes, self.bitmap)
        self.first_data_block = first_inode_block + InodeTable.blocks_needed(n_inodes, block_size)

    @classmethod
    def format(cls, device, n_inodes=32):
        """Write an empty file system to `device` and return it."""
        fs = cls(device, n_inodes)
        if fs.first_data_block >= device.n_blocks:
            raise FsError("the device is too small for a file system")
        for block in range(fs.first_data_block):
            device.write(block, b"")
        for block in range(fs.first_data_block):
            fs.bitmap.reserve(block)
        fs.inodes.allocate(DIRECTORY)
        device.write(0, SUPERBLOCK.pack(MAGIC, device.block_size, device.n_blocks, n_inodes))
        return fs

    @classmethod
    def mount(cls, device):
        """Return the file system that `device` holds."""
        magic, block_size, n_blocks, n_inodes = SUPERBLOCK.unpack_from(device.read(0))
        if magic != MAGIC or (block_size, n_blocks) != (device.block_size, device.n_blocks):
            raise CorruptImage("the superblock is not that of this device")
        return cls(device, n_inodes)

    def mkdir(self, path):
        """Make an empty directory."""
        self._create(path, DIRECTORY)

    def write_file(self, path, data):
        """Make a file with this content, or replace the content of one."""
        try:
            number = self.resolve(path)
        except NotFound:
            number = self._create(path, FILE)
        if self.inodes.stat(number).kind == DIRECTORY:
            raise IsADirectory(path)
        self.inodes.truncate(number, 0)
        self.inodes.write(number, 0, data)

    def read_file(self, path):
        """Return the content of a file."""
        number = self.resolve(path)
        if self.inodes.stat(number).kind == DIRECTORY:
            raise IsADirectory(path)
        return self.inodes.read(number)

    def listdir(self, path):
        """Return the names in a directory, sorted."""
        return sorted(self._entries(self.resolve(path), path))

    def stat(self, path):
        """Return the inode record of a path."""
        return self.inodes.stat(self.resolve(path))

    def exists(self, path):
        """Return whether a path names something."""
        try:
            self.resolve(path)
        except (NotFound, NotADirectory):
            return False
        return True

    def unlink(self, path):
        """Remove a file and give back its blocks."""
        parent, name, number = self._existing(path)
        if self.inodes.stat(number).kind == DIRECTORY:
            raise IsADirectory(path)
        self._remove_entry(parent, name)
        self.inodes.free(number)

    def rmdir(self, path):
        """Remove an empty directory."""
        parent, name, number = self._existing(path)
        if self._entries(number, path):
            raise DirectoryNotEmpty(path)
        self._remove_entry(parent, name)
        self.inodes.free(number)

    def rename(self, source, target):
        """Move a file or directory; a directory cannot move into itself."""
        parent, name, number = self._existing(source)
        chain, new_name = self._parent(target)
        if new_name in self._entries(chain[-1], target):
            raise AlreadyExists(target)
        self._remove_entry(parent, name)
        self._add_entry(chain[-1], new_name, number)

    def resolve(self, path):
        """Return the inode number of a path; `.` and `..` mean what they always mean."""
        return self._walk(self._parts(path), path)[-1]

    def _walk(self, parts, path):
        """Return the inode numbers from the root to the last of `parts`."""
        chain = [ROOT]
        for part in parts:
            entries = self._entries(chain[-1], path)
            if part == "..":
                chain = chain[:-1] or [ROOT]
            elif part != ".":
                if part not in entries:
                    raise NotFound(path)
                chain.append(entries[part])
        return chain

    def _parts(self, path):
        if not path.startswith("/"):
            raise InvalidName(f"{path!r} does not start with a slash")
        return [part for part in path.split("/") if part]

    def _parent(self, path):
        """Return the chain of inodes to the parent of `path`, and the last name."""
        parts = self._parts(path)
        if not parts or parts[-1] in (".", ".."):
            raise InvalidName(f"{path!r} has no name of its own")
        if len(parts[-1].encode()) > MAX_NAME:
            raise InvalidName(f"{path!r} is too long")
        return self._walk(parts[:-1], path), parts[-1]

    def _existing(self, path):
        chain, name = self._parent(path)
        entries = self._entries(chain[-1], path)
        if name not in entries:
            raise NotFound(path)
        return chain[-1], name, entries[name]

    def _create(self, path, kind):
        chain, name = self._parent(path)
        if name in self._entries(chain[-1], path):
            raise AlreadyExists(path)
        number = self.inodes.allocate(kind)
        self._add_entry(chain[-1], name, number)
        return number

    def _entries(self, number, path):
        if self.inodes.stat(number).kind != DIRECTORY:
            raise NotADirectory(path)
        data = self.inodes.read(number)
        entries, offset = {}, 0
        while offset < len(data):
            child, length = ENTRY.unpack_from(data, offset)
            offset += ENTRY.size
            entries[data[offset:offset + length].decode()] = child
            offset += length
        return entries

    def _add_entry(self, directory, name, number):
        raw = name.encode()
        end = self.inodes.stat(directory).size
        self.inodes.write(directory, end, ENTRY.pack(number, len(raw)) + raw)

    def _remove_entry(self, directory, name):
        entries = self._entries(directory, name)
        del entries[name]
        self.inodes.truncate(directory, 0)
        for other, number in entries.items():
            self._add_entry(directory, other, number)
