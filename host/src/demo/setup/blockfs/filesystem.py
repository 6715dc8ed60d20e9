"""Directories, paths and the superblock: the file system as its users see it."""

ROOT = 0
MAX_NAME = 255


class FileSystem:
    """Block 0 is the superblock; the bitmap, the inodes and the data follow."""

    def __init__(self, device, n_inodes):
        raise NotImplementedError

    @classmethod
    def format(cls, device, n_inodes=32):
        """Write an empty file system to `device` and return it."""
        raise NotImplementedError

    @classmethod
    def mount(cls, device):
        """Return the file system that `device` holds."""
        raise NotImplementedError

    def mkdir(self, path):
        """Make an empty directory."""
        raise NotImplementedError

    def write_file(self, path, data):
        """Make a file with this content, or replace the content of one."""
        raise NotImplementedError

    def read_file(self, path):
        """Return the content of a file."""
        raise NotImplementedError

    def listdir(self, path):
        """Return the names in a directory, sorted."""
        raise NotImplementedError

    def stat(self, path):
        """Return the inode record of a path."""
        raise NotImplementedError

    def exists(self, path):
        """Return whether a path names something."""
        raise NotImplementedError

    def unlink(self, path):
        """Remove a file and give back its blocks."""
        raise NotImplementedError

    def rmdir(self, path):
        """Remove an empty directory."""
        raise NotImplementedError

    def rename(self, source, target):
        """Move a file or directory; a directory cannot move into itself."""
        raise NotImplementedError

    def resolve(self, path):
        """Return the inode number of a path; `.` and `..` mean what they always mean."""
        raise NotImplementedError
