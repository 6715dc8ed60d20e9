import pytest

from shelf.errors import ShelfError
from shelf.words import counts, distance, most_common, wrap

TEXT = "The cat saw the dog. The dog saw nothing; a cat is a cat! " * 40


@pytest.mark.parametrize("word, n", [("the", 120), ("cat", 120), ("dog", 80), ("saw", 80), ("a", 80), ("is", 40)])
def test_words_are_counted(word, n):
    assert counts(TEXT)[word] == n


def test_no_words():
    assert counts(" .,! ") == {}


@pytest.mark.parametrize("n, words", [(1, ["cat"]), (2, ["cat", "the"]), (5, ["cat", "the", "a", "dog", "saw"])])
def test_most_common(n, words):
    assert most_common(TEXT, n) == words


@pytest.mark.parametrize("width", [8, 10, 20, 40, 80])
def test_lines_are_not_too_long(width):
    lines = wrap(TEXT, width)
    assert max(map(len, lines)) <= width
    assert " ".join(lines) == TEXT.strip()


def test_a_word_that_is_too_long():
    with pytest.raises(ShelfError):
        wrap("short and looooong", 5)


@pytest.mark.parametrize("one, other, n", [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("abc" * 30, "acb" * 30, 60)])
def test_distance(one, other, n):
    assert distance(one, other) == n
    assert distance(other, one) == n
