"""The command line: one image file, one command."""


def main(argv=None):
    """Run one command and return its exit status."""
    raise NotImplementedError
