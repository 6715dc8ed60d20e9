"""Runs the command line as `python -m blockfs`."""

import sys

from blockfs.cli import main

if __name__ == "__main__":
    sys.exit(main())
