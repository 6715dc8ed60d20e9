"""The command line: one image file, one command."""

import argparse
import sys
from pathlib import Path

from blockfs.device import BlockDevice
from blockfs.errors import FsError
from blockfs.filesystem import FileSystem
from blockfs.inode import DIRECTORY

BLOCK_SIZE = 512


def main(argv=None):
    """Run one command and return its exit status."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except FsError as error:
        print(f"blockfs: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"blockfs: {error}", file=sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(prog="blockfs")
    commands = parser.add_subparsers(required=True)
    for name, run, has_path in [
        ("format", _format, False),
        ("mkdir", _mkdir, True),
        ("put", _put, True),
        ("cat", _cat, True),
        ("ls", _ls, True),
        ("rm", _rm, True),
    ]:
        command = commands.add_parser(name)
        command.add_argument("image", type=Path)
        if has_path:
            command.add_argument("path")
        else:
            command.add_argument("--blocks", type=int, default=256)
        command.set_defaults(run=run)
    return parser


def _mount(args):
    return FileSystem.mount(BlockDevice.from_bytes(args.image.read_bytes(), BLOCK_SIZE))


def _save(args, fs):
    args.image.write_bytes(fs.device.to_bytes())
    return 0


def _format(args):
    return _save(args, FileSystem.format(BlockDevice(args.blocks, BLOCK_SIZE)))


def _mkdir(args):
    fs = _mount(args)
    fs.mkdir(args.path)
    return _save(args, fs)


def _put(args):
    fs = _mount(args)
    fs.write_file(args.path, sys.stdin.buffer.read())
    return _save(args, fs)


def _cat(args):
    data = _mount(args).read_file(args.path)
    sys.stdout.write(data.decode("utf-8", "replace"))
    return 0


def _ls(args):
    fs = _mount(args)
    for name in fs.listdir(args.path):
        inode = fs.stat(f"{args.path}/{name}")
        mark = "/" if inode.kind == DIRECTORY else ""
        print(f"{inode.size:8} {name}{mark}")
    return 0


def _rm(args):
    fs = _mount(args)
    if fs.stat(args.path).kind == DIRECTORY:
        fs.rmdir(args.path)
    else:
        fs.unlink(args.path)
    return _save(args, fs)
