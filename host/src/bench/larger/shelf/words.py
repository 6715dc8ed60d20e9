"""Words of a text."""


def counts(text):
    """How often each word occurs, without regard to case."""
    raise NotImplementedError


def most_common(text, n):
    """The most common words, the most common first; ties by the alphabet."""
    raise NotImplementedError


def wrap(text, width):
    """The lines of a text that is broken between words."""
    raise NotImplementedError


def distance(one, other):
    """The letters to add, drop or change to get from one word to another."""
    raise NotImplementedError
