"""Going through a tree of directories."""


def walk(fs, path="/"):
    """Yield `(path, inode)` of everything below `path`, directories before what is in them."""
    raise NotImplementedError


def usage(fs, path="/"):
    """Return the bytes of all files at or below `path`."""
    raise NotImplementedError
