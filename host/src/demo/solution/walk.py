"""Going through a tree of directories."""

from blockfs.inode import DIRECTORY


def walk(fs, path="/"):
    """Yield `(path, inode)` of everything below `path`, directories before what is in them."""
    base = path.rstrip("/")
    for name in fs.listdir(path):
        inner = f"{base}/{name}"
        inode = fs.stat(inner)
        yield inner, inode
        if inode.kind == DIRECTORY:
            yield from walk(fs, inner)


def usage(fs, path="/"):
    """Return the bytes of all files at or below `path`."""
    inode = fs.stat(path)
    if inode.kind != DIRECTORY:
        return inode.size
    return sum(inode.size for _, inode in walk(fs, path) if inode.kind != DIRECTORY)
