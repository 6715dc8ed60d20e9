"""Words of a text."""

from shelf.errors import ShelfError


def counts(text):
    """How often each word occurs, without regard to case."""
    found = {}
    for word in text.lower().split():
        word = word.strip(".,;:!?")
        if word:
            found[word] = found.get(word, 0) + 1
    return found


def most_common(text, n):
    """The most common words, the most common first; ties by the alphabet."""
    ranked = sorted(counts(text).items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in ranked[:n]]


def wrap(text, width):
    """The lines of a text that is broken between words."""
    lines = []
    for word in text.split():
        if len(word) > width:
            raise ShelfError(f"{word!r} is longer than a line")
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def distance(one, other):
    """The letters to add, drop or change to get from one word to another."""
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            changed = before[column - 1] + (letter != wanted)
            now.append(min(changed, before[column] + 1, now[-1] + 1))
        before = now
    return before[-1]
