"""What can go wrong."""


class ShelfError(ValueError):
    """Something was asked that cannot be done."""
