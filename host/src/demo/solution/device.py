"""A block device in memory that counts accesses and can lose power."""

from blockfs.errors import DeviceCrashed, FsError, OutOfRange


class BlockDevice:
    """A row of blocks of one size, all zero at first."""

    def __init__(self, n_blocks, block_size=512):
        if n_blocks < 1 or block_size < 1:
            raise FsError("a device needs at least one block of one byte")
        self.n_blocks = n_blocks
        self.block_size = block_size
        self.reads = 0
        self.writes = 0
        self._data = bytearray(n_blocks * block_size)
        self._writes_left = None

    @classmethod
    def from_bytes(cls, image, block_size=512):
        """Return a device that holds a copy of `image`, whole blocks only."""
        if not image or len(image) % block_size:
            raise FsError(f"an image of {len(image)} bytes has no whole number of blocks")
        device = cls(len(image) // block_size, block_size)
        device._data[:] = image
        return device

    def to_bytes(self):
        """Return the content of all blocks."""
        return bytes(self._data)

    def read(self, block):
        """Return the bytes of one block."""
        start = self._start(block)
        self._require_power()
        self.reads += 1
        return bytes(self._data[start:start + self.block_size])

    def write(self, block, data):
        """Replace one block; shorter data is padded with zero bytes."""
        start = self._start(block)
        if len(data) > self.block_size:
            raise FsError(f"{len(data)} bytes do not fit in a block of {self.block_size}")
        self._require_power()
        if self._writes_left is not None:
            if self._writes_left == 0:
                self._writes_left = -1
                raise DeviceCrashed("the power failed before the write")
            self._writes_left -= 1
        self.writes += 1
        self._data[start:start + self.block_size] = bytes(data).ljust(self.block_size, b"\0")

    def crash_after(self, n_writes):
        """Let `n_writes` more writes succeed and lose power at the next one."""
        self._writes_left = n_writes

    def restart(self):
        """Bring the power back; what was written before the crash is still there."""
        self._writes_left = None

    def _start(self, block):
        if not 0 <= block < self.n_blocks:
            raise OutOfRange(f"block {block} is not one of {self.n_blocks}")
        return block * self.block_size

    def _require_power(self):
        if self._writes_left == -1:
            raise DeviceCrashed("the device has no power")
