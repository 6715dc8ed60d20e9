"""The errors of the file system, one class for each reason."""


class FsError(Exception):
    """Anything the file system refuses."""


class OutOfRange(FsError):
    """A block, bit or inode number that does not exist."""


class NoSpace(FsError):
    """No free block or inode is left, or a file would grow too large."""


class DeviceCrashed(FsError):
    """The device lost power; nothing can be read or written until it restarts."""


class CorruptImage(FsError):
    """The bytes on the device are not a file system."""


class NotFound(FsError):
    """A path names nothing."""


class AlreadyExists(FsError):
    """A path is taken."""


class NotADirectory(FsError):
    """A file stands where a directory is needed."""


class IsADirectory(FsError):
    """A directory stands where a file is needed."""


class DirectoryNotEmpty(FsError):
    """A directory that still has entries cannot be removed."""


class InvalidName(FsError):
    """A name is empty, too long or contains a separator."""
