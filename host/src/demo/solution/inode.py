"""Inodes: files without names, with direct, indirect and missing blocks."""

import struct
from dataclasses import dataclass, field

from blockfs.errors import NoSpace, OutOfRange

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
        self.device = device
        self.first_block = first_block
        self.n_inodes = n_inodes
        self.bitmap = bitmap
        self.block_size = device.block_size
        self.pointers_per_block = device.block_size // 4

    @staticmethod
    def blocks_needed(n_inodes, block_size):
        """Return how many blocks hold `n_inodes` records."""
        per_block = block_size // RECORD.size
        return (n_inodes + per_block - 1) // per_block

    @property
    def max_size(self):
        """The size in bytes that no file can exceed."""
        return (N_DIRECT + self.pointers_per_block) * self.block_size

    def allocate(self, kind):
        """Take the lowest free inode and return its number."""
        for number in range(self.n_inodes):
            if self.stat(number).kind == FREE:
                self.store(number, Inode(kind=kind, links=1))
                return number
        raise NoSpace("no free inode")

    def free(self, number):
        """Give back an inode with all its blocks."""
        self.truncate(number, 0)
        self.store(number, Inode())

    def stat(self, number):
        """Return the record of an inode."""
        block, offset = self._place(number)
        kind, links, size, *pointers = RECORD.unpack_from(self.device.read(block), offset)
        return Inode(kind, links, size, pointers[:N_DIRECT], pointers[N_DIRECT])

    def store(self, number, inode):
        """Replace the record of an inode."""
        block, offset = self._place(number)
        data = bytearray(self.device.read(block))
        RECORD.pack_into(data, offset, inode.kind, inode.links, inode.size, *inode.direct, inode.indirect)
        self.device.write(block, data)

    def read(self, number, offset=0, length=None):
        """Return up to `length` bytes from `offset`; holes read as zero bytes."""
        inode = self.stat(number)
        end = inode.size if length is None else min(inode.size, offset + length)
        out = bytearray()
        while offset < end:
            index, start = divmod(offset, self.block_size)
            n_bytes = min(self.block_size - start, end - offset)
            block = self._block(inode, index)
            data = self.device.read(block) if block else bytes(self.block_size)
            out += data[start:start + n_bytes]
            offset += n_bytes
        return bytes(out)

    def write(self, number, offset, data):
        """Write `data` at `offset`, growing the file; what is skipped becomes a hole."""
        inode = self.stat(number)
        if offset + len(data) > self.max_size:
            raise NoSpace(f"a file has at most {self.max_size} bytes")
        done = 0
        try:
            while done < len(data):
                index, start = divmod(offset + done, self.block_size)
                piece = data[done:done + self.block_size - start]
                block = self._block(inode, index) or self._add_block(inode, index)
                content = bytearray(self.device.read(block))
                content[start:start + len(piece)] = piece
                self.device.write(block, content)
                done += len(piece)
                inode.size = max(inode.size, offset + done)
        finally:
            self.store(number, inode)
        return done

    def truncate(self, number, size):
        """Make the file `size` bytes long; a file that grows gets a hole."""
        if size > self.max_size:
            raise NoSpace(f"a file has at most {self.max_size} bytes")
        inode = self.stat(number)
        if size < inode.size:
            self._clear_tail(inode, size)
            n_kept = (size + self.block_size - 1) // self.block_size
            self._drop_blocks(inode, n_kept)
        inode.size = size
        self.store(number, inode)

    def _clear_tail(self, inode, size):
        """Zero what follows the new end in its block, so that growing again shows no old data."""
        index, start = divmod(size, self.block_size)
        block = self._block(inode, index) if start else 0
        if block:
            self.device.write(block, self.device.read(block)[:start])

    def _drop_blocks(self, inode, n_kept):
        for index in range(n_kept, N_DIRECT):
            if inode.direct[index]:
                self.bitmap.free(inode.direct[index])
                inode.direct[index] = 0
        if not inode.indirect:
            return
        pointers = self._pointers(inode.indirect)
        for index in range(max(n_kept - N_DIRECT, 0), len(pointers)):
            if pointers[index]:
                self.bitmap.free(pointers[index])
                pointers[index] = 0
        if any(pointers):
            self._store_pointers(inode.indirect, pointers)
        else:
            self.bitmap.free(inode.indirect)
            inode.indirect = 0

    def _block(self, inode, index):
        if index < N_DIRECT:
            return inode.direct[index]
        if not inode.indirect:
            return 0
        return self._pointers(inode.indirect)[index - N_DIRECT]

    def _add_block(self, inode, index):
        if index >= N_DIRECT and not inode.indirect:
            inode.indirect = self._new_block()
        block = self._new_block()
        if index < N_DIRECT:
            inode.direct[index] = block
        else:
            pointers = self._pointers(inode.indirect)
            pointers[index - N_DIRECT] = block
            self._store_pointers(inode.indirect, pointers)
        return block

    def _new_block(self):
        block = self.bitmap.allocate()
        self.device.write(block, b"")
        return block

    def _pointers(self, block):
        return list(struct.unpack(f"<{self.pointers_per_block}I", self.device.read(block)))

    def _store_pointers(self, block, pointers):
        self.device.write(block, struct.pack(f"<{self.pointers_per_block}I", *pointers))

    def _place(self, number):
        if not 0 <= number < self.n_inodes:
            raise OutOfRange(f"inode {number} is not one of {self.n_inodes}")
        block, slot = divmod(number, self.block_size // RECORD.size)
        return self.first_block + block, slot * RECORD.size
