"""pip for a sandbox without network: says what is installed, and lets what is there already pass."""

import re
import sys
from importlib import metadata

USAGE = "usage: pip list | freeze | show NAME... | install REQUIREMENT... | --version"


def installed():
    return sorted((d.metadata["Name"], d.version) for d in metadata.distributions())


def show(names):
    missing = []
    for name in names:
        try:
            d = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        print(
            f"Name: {d.metadata['Name']}\nVersion: {d.version}\nSummary: {d.metadata['Summary']}\nLocation: {d.locate_file('')}"
        )
    if missing:
        print(f"WARNING: Package(s) not found: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing and len(missing) == len(names) else 0


def install(words):
    """Succeeds for what is installed in any version that is asked for; there is nowhere to get more from."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return refuse("no requirement can be checked")
    for word in (w for w in words if not w.startswith("-")):
        try:
            requirement = Requirement(word)
        except InvalidRequirement:
            return refuse(f"cannot install {word}")
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        found = {re.sub(r"[-_.]+", "-", n).lower(): v for n, v in installed()}.get(name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            return refuse(f"{word} is not installed here")
        print(f"Requirement already satisfied: {word} ({found})")
    return 0


def refuse(what):
    print(
        f"ERROR: {what}, and this sandbox has no network: use the standard library and the packages that `pip list` shows; "
        "others come with an image (`playpen image build image.toml`)",
        file=sys.stderr,
    )
    return 1


def main(args):
    command, *words = args or ["--help"]
    if command in ("--version", "-V"):
        print(f"pip of the playpen sandbox (python {sys.version.split()[0]})")
    elif command == "list":
        print(f"{'Package':<20} Version\n{'-' * 20} {'-' * 8}")
        for name, version in installed():
            print(f"{name:<20} {version}")
    elif command == "freeze":
        for name, version in installed():
            print(f"{name}=={version}")
    elif command == "show":
        return show(words)
    elif command == "install":
        return install(words)
    elif command == "check":
        print("No broken requirements found.")
    else:
        print(USAGE, file=sys.stderr)
        return 0 if command in ("--help", "-h") else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
