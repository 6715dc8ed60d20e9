"""A tree as one string of bytes, to be moved to another file system."""

import struct
import zlib

from blockfs.errors import CorruptImage
from blockfs.inode import DIRECTORY, FILE
from blockfs.walk import walk

MAGIC = b"BLKA"
ENTRY = struct.Struct("<BHI")
CHECKSUM = struct.Struct("<I")


def dump(fs, path="/"):
    """Return everything below the directory `path` as an archive."""
    base = path.rstrip("/")
    out = bytearray(MAGIC)
    for inner, inode in walk(fs, path):
        name = inner[len(base) + 1:].encode()
        data = b"" if inode.kind == DIRECTORY else fs.read_file(inner)
        out += ENTRY.pack(inode.kind, len(name), len(data)) + name + data
    return bytes(out + CHECKSUM.pack(zlib.crc32(out)))


def load(fs, data, path="/"):
    """Put what is in an archive below the directory `path`; return how many entries it has."""
    entries = _entries(data)
    base = path.rstrip("/")
    for kind, name, content in entries:
        inner = f"{base}/{name}"
        if kind == DIRECTORY:
            fs.mkdir(inner)
        else:
            fs.write_file(inner, content)
    return len(entries)


def _entries(data):
    """Check an archive as a whole and return its entries."""
    body, checksum = data[:-CHECKSUM.size], data[-CHECKSUM.size:]
    if not body.startswith(MAGIC) or checksum != CHECKSUM.pack(zlib.crc32(body)):
        raise CorruptImage("these bytes are not an archive")
    entries, offset = [], len(MAGIC)
    while offset < len(body):
        kind, n_name, n_data = ENTRY.unpack_from(body, offset)
        if kind not in (FILE, DIRECTORY):
            raise CorruptImage(f"kind {kind} is neither a file nor a directory")
        offset += ENTRY.size
        name = body[offset:offset + n_name].decode()
        offset += n_name
        entries.append((kind, name, body[offset:offset + n_data]))
        offset += n_data
    return entries
