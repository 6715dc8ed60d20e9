"""A write-ahead journal: several blocks change together or not at all."""


class Journal:
    """A header block at `first_block` and room for `n_blocks - 1` blocks of data."""

    def __init__(self, device, first_block, n_blocks):
        raise NotImplementedError

    def commit(self, changes):
        """Write `changes`, a dict from block number to data, as one step."""
        raise NotImplementedError

    def recover(self):
        """Finish a transaction that was committed; return how many blocks that wrote."""
        raise NotImplementedError
