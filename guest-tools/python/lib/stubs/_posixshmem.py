"""Memory that processes share: there is none here, so none can be made, and none has a name."""

import errno as _errno
import os as _os


def shm_open(path, flags, mode=0o777):
    if not flags & _os.O_CREAT:
        shm_unlink(path)
    raise OSError(_errno.ENOSYS, "processes share no memory in a sandbox", path)


def shm_unlink(path):
    raise FileNotFoundError(_errno.ENOENT, _os.strerror(_errno.ENOENT), path)
