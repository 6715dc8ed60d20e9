"""A bitmap on the device that says which of a row of things are taken."""

from blockfs.errors import FsError, NoSpace, OutOfRange


class Bitmap:
    """`n_bits` bits from `first_block` on; bit i is bit i % 8 of byte i // 8."""

    def __init__(self, device, first_block, n_bits):
        self.device = device
        self.first_block = first_block
        self.n_bits = n_bits

    @staticmethod
    def blocks_needed(n_bits, block_size):
        """Return how many blocks hold `n_bits` bits."""
        bits_per_block = 8 * block_size
        return (n_bits + bits_per_block - 1) // bits_per_block

    @property
    def n_free(self):
        """The number of bits that are not set."""
        return self.n_bits - sum(self._bits())

    def is_allocated(self, index):
        """Return whether bit `index` is set."""
        block, byte, mask = self._place(index)
        return bool(self.device.read(block)[byte] & mask)

    def allocate(self):
        """Set the lowest free bit and return its index."""
        return self.allocate_run(1)

    def allocate_run(self, length):
        """Set the lowest `length` free bits in a row and return the first index."""
        if length < 1:
            raise FsError("a run has at least one bit")
        run = 0
        for index, bit in enumerate(self._bits()):
            run = 0 if bit else run + 1
            if run == length:
                first = index - length
                for taken in range(first, index + 1):
                    self._set(taken, True)
                return first
        raise NoSpace(f"no {length} free in a row")

    def reserve(self, index):
        """Set bit `index`, which must be free."""
        if self.is_allocated(index):
            raise FsError(f"{index} is already allocated")
        self._set(index, True)

    def free(self, index):
        """Clear bit `index`, which must be set."""
        if not self.is_allocated(index):
            raise FsError(f"{index} is not allocated")
        self._set(index, False)

    def _bits(self):
        n_blocks = self.blocks_needed(self.n_bits, self.device.block_size)
        data = b"".join(self.device.read(self.first_block + i) for i in range(n_blocks))
        return [data[i // 8] >> (i % 8) & 1 for i in range(self.n_bits)]

    def _place(self, index):
        if not 0 <= index < self.n_bits:
            raise OutOfRange(f"{index} is not one of {self.n_bits}")
        block, byte = divmod(index // 8, self.device.block_size)
        return self.first_block + block, byte, 1 << index % 8

    def _set(self, index, value):
        block, byte, mask = self._place(index)
        data = bytearray(self.device.read(block))
        data[byte] = data[byte] | mask if value else data[byte] & ~mask
        self.device.write(block, data)
