"""venv for a sandbox: says what to do instead. There is one environment, and a sandbox of its own for each command."""

import sys

MESSAGE = (
    "there are no virtual environments in this sandbox, and none is needed: it is thrown away as a whole. Use the "
    "interpreter as it is; `pip list` shows its packages, and `playpen image build image.toml` adds others"
)


class EnvBuilder:
    def __init__(self, *args, **options):
        pass

    def create(self, env_dir):
        raise NotImplementedError(MESSAGE)


def create(env_dir, *args, **options):
    EnvBuilder().create(env_dir)


def main(args=None):
    if args is None:
        args = sys.argv[1:]
    if "-h" in args or "--help" in args:
        print(MESSAGE)
        return
    sys.stderr.write(f"Error: {MESSAGE}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
