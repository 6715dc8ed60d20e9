cat > blockfs/journal.py <<'PY'
"""A write-ahead journal: several blocks change together or not at all."""

import struct
import zlib

from blockfs.errors import NoSpace, OutOfRange

MAGIC = b"JRNL"
HEADER = struct.Struct("<4sII")


class Journal:
    """A header block at `first_block` and room for `n_blocks - 1` blocks of data."""

    def __init__(self, device, first_block, n_blocks):
        self.device = device
        self.first_block = first_block
        by_header = (device.block_size - HEADER.size) // 4
        self.capacity = min(n_blocks - 1, by_header)

    def commit(self, changes):
        """Write `changes`, a dict from block number to data, as one step."""
        blocks = sorted(changes)
        if len(blocks) > self.capacity:
            raise NoSpace(f"a transaction has at most {self.capacity} blocks")
        for block in blocks:
            if not 0 <= block < self.device.n_blocks or self._is_own(block):
                raise OutOfRange(f"block {block} cannot be journalled")
        if not blocks:
            return
        padded = [bytes(changes[block]).ljust(self.device.block_size, b"\0") for block in blocks]
        for slot, data in enumerate(padded):
            self.device.write(self.first_block + 1 + slot, data)
        numbers = struct.pack(f"<{len(blocks)}I", *blocks)
        checksum = zlib.crc32(numbers + b"".join(padded))
        self.device.write(self.first_block, HEADER.pack(MAGIC, len(blocks), checksum) + numbers)
        self._apply(blocks, padded)

    def recover(self):
        """Finish a transaction that was committed; return how many blocks that wrote."""
        header = self.device.read(self.first_block)
        magic, count, checksum = HEADER.unpack_from(header)
        if magic != MAGIC or not 0 < count <= self.capacity:
            return 0
        numbers = header[HEADER.size:HEADER.size + 4 * count]
        data = [self.device.read(self.first_block + 1 + slot) for slot in range(count)]
        if zlib.crc32(numbers + b"".join(data)) != checksum:
            return 0
        self._apply(struct.unpack(f"<{count}I", numbers), data)
        return count

    def _apply(self, blocks, padded):
        for block, data in zip(blocks, padded):
            self.device.write(block, data)
        self.device.write(self.first_block, b"")

    def _is_own(self, block):
        return self.first_block <= block <= self.first_block + self.capacity
PY
wc -l blockfs/journal.py && python -c 'import blockfs.journal'
