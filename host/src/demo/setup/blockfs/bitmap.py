"""A bitmap on the device that says which of a row of things are taken."""


class Bitmap:
    """`n_bits` bits from `first_block` on; bit i is bit i % 8 of byte i // 8."""

    def __init__(self, device, first_block, n_bits):
        raise NotImplementedError

    @staticmethod
    def blocks_needed(n_bits, block_size):
        """Return how many blocks hold `n_bits` bits."""
        raise NotImplementedError

    @property
    def n_free(self):
        """The number of bits that are not set."""
        raise NotImplementedError

    def is_allocated(self, index):
        """Return whether bit `index` is set."""
        raise NotImplementedError

    def allocate(self):
        """Set the lowest free bit and return its index."""
        raise NotImplementedError

    def allocate_run(self, length):
        """Set the lowest `length` free bits in a row and return the first index."""
        raise NotImplementedError

    def reserve(self, index):
        """Set bit `index`, which must be free."""
        raise NotImplementedError

    def free(self, index):
        """Clear bit `index`, which must be set."""
        raise NotImplementedError
