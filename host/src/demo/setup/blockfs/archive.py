"""A tree as one string of bytes, to be moved to another file system."""


def dump(fs, path="/"):
    """Return everything below the directory `path` as an archive."""
    raise NotImplementedError


def load(fs, data, path="/"):
    """Put what is in an archive below the directory `path`; return how many entries it has."""
    raise NotImplementedError
