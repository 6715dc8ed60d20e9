import json
import os

import pytest


@pytest.fixture
def numbers():
    return [3, 1, 2]


def test_sort(numbers):
    assert sorted(numbers) == [1, 2, 3]


@pytest.mark.parametrize("text, length", [("", 0), ("a", 1), ("ab", 2)])
def test_length(text, length):
    assert len(text) == length


def test_json():
    assert json.loads(json.dumps({"a": [1, None]})) == {"a": [1, None]}


def test_raises():
    with pytest.raises(ZeroDivisionError):
        1 / 0


def test_files(tmp_path):
    (tmp_path / "a").write_text("b")
    assert os.listdir(tmp_path) == ["a"]


def test_output(capsys):
    print("x")
    assert capsys.readouterr().out == "x\n"


def test_environment(monkeypatch):
    monkeypatch.setenv("A", "1")
    assert os.environ["A"] == "1"
