"""A block device in memory that counts accesses and can lose power."""


class BlockDevice:
    """A row of blocks of one size, all zero at first."""

    def __init__(self, n_blocks, block_size=512):
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, image, block_size=512):
        """Return a device that holds a copy of `image`, whole blocks only."""
        raise NotImplementedError

    def to_bytes(self):
        """Return the content of all blocks."""
        raise NotImplementedError

    def read(self, block):
        """Return the bytes of one block."""
        raise NotImplementedError

    def write(self, block, data):
        """Replace one block; shorter data is padded with zero bytes."""
        raise NotImplementedError

    def crash_after(self, n_writes):
        """Let `n_writes` more writes succeed and lose power at the next one."""
        raise NotImplementedError

    def restart(self):
        """Bring the power back; what was written before the crash is still there."""
        raise NotImplementedError
