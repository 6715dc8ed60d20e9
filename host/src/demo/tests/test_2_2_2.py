"""Task 2.2.2: the command line."""

import io
import sys

import pytest

from blockfs.cli import main


class Shell:
    """Runs commands on one image and returns status, standard output and standard error."""

    def __init__(self, tmp_path, monkeypatch, capsys):
        self.image = str(tmp_path / "disk.img")
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def run(self, command, *args, stdin=b""):
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main([command, self.image, *args])
        captured = self.capsys.readouterr()
        return status, captured.out, captured.err


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    return Shell(tmp_path, monkeypatch, capsys)


def test_file_goes_in_and_comes_out(shell):
    assert shell.run("format") == (0, "", "")
    assert shell.run("mkdir", "/notes") == (0, "", "")
    assert shell.run("put", "/notes/a.txt", stdin="grüße\n".encode()) == (0, "", "")
    assert shell.run("cat", "/notes/a.txt") == (0, "grüße\n", "")


def test_listing_shows_sizes_and_directories(shell):
    shell.run("format")
    shell.run("put", "/b", stdin=b"12345")
    shell.run("mkdir", "/a")
    assert shell.run("ls", "/") == (0, "       0 a/\n       5 b\n", "")


def test_image_has_the_size_that_was_asked_for(shell, tmp_path):
    assert shell.run("format", "--blocks", "64")[0] == 0
    assert (tmp_path / "disk.img").stat().st_size == 64 * 512


def test_refusals_go_to_standard_error_and_change_nothing(shell, tmp_path):
    shell.run("format")
    before = (tmp_path / "disk.img").read_bytes()
    status, out, err = shell.run("cat", "/missing")
    assert (status, out) == (1, "")
    assert err.startswith("blockfs: NotFound")
    status, out, err = shell.run("rm", "/missing")
    assert status == 1
    assert (tmp_path / "disk.img").read_bytes() == before


def test_missing_image_and_foreign_image_are_told_apart(shell, tmp_path):
    status, _, err = shell.run("ls", "/")
    assert status == 2
    assert err.startswith("blockfs: ")
    (tmp_path / "disk.img").write_bytes(bytes(512 * 4))
    status, _, err = shell.run("ls", "/")
    assert status == 1
    assert err.startswith("blockfs: CorruptImage")


def test_removing_works_for_files_and_empty_directories(shell):
    shell.run("format")
    shell.run("mkdir", "/d")
    shell.run("put", "/d/f", stdin=b"x")
    assert shell.run("rm", "/d")[0] == 1
    assert shell.run("rm", "/d/f")[0] == 0
    assert shell.run("rm", "/d")[0] == 0
    assert shell.run("ls", "/") == (0, "", "")
