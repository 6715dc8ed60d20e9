"""Inodes: files without names, with direct, indirect and missing blocks."""

import struct
from dataclasses import dataclass, field

FREE, FILE, DIRECTORY = 0, 1, 2
N_DIRECT = 12
RECORD = struct.Struct(f"<BxHI{N_DIRECT}II4x")


@dataclass
class Inode:
    """What is stored for one inode. Block number 0 is a hole."""

    kind: int = FREE
    links: int = 0
    size: int = 0
    direct: list = field(default_factory=lambda: [0] * N_DIRECT)
    indirect: int = 0


class InodeTable:
    """`n_inodes` records from `first_block` on; data blocks come from `bitmap`."""

    def __init__(self, device, first_block, n_inodes, bitmap):
        raise NotImplementedError

    @staticmethod
    def blocks_needed(n_inodes, block_size):
        """Return how many blocks hold `n_inodes` records."""
        raise NotImplementedError

    @property
    def max_size(self):
        """The size in bytes that no file can exceed."""
        raise NotImplementedError

    def allocate(self, kind):
        """Take the lowest free inode and return its number."""
        raise NotImplementedError

    def free(self, number):
        """Give back an inode with all its blocks."""
        raise NotImplementedError

    def stat(self, number):
        """Return the record of an inode."""
        raise NotImplementedError

    def store(self, number, inode):
        """Replace the record of an inode."""
        raise NotImplementedError

    def read(self, number, offset=0, length=None):
        """Return up to `length` bytes from `offset`; holes read as zero bytes."""
        raise NotImplementedError

    def write(self, number, offset, data):
        """Write `data` at `offset`, growing the file; what is skipped becomes a hole."""
        raise NotImplementedError

    def truncate(self, number, size):
        """Make the file `size` bytes long; a file that grows gets a hole."""
        raise NotImplementedError
