"""English words without their endings, so that forms of one word are alike."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST = 3  # letters that are left
_VOWELS = frozenset("aeiouy")


def stem(word: str) -> str:
    """The word without the endings of number, time and manner; our own few rules.

    Forms of one word mostly have the same stem, which need be no word itself.
    """
    for endings in (_MANY, _FORMS):
        word = _without(word, endings)
    return _even(word)


_MANY = (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""))
_FORMS = (
    *(("ied", "y"), ("ness", ""), ("ing", ""), ("edly", ""), ("ed", "")),
    *(("er", ""), ("or", ""), ("ly", "")),
)


def _without(word: str, endings: Iterable[tuple[str, str]]) -> str:
    """The word with something else in place of the first of the endings that it has."""
    for ending, instead in endings:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _LEAST and not _VOWELS.isdisjoint(rest):
            return rest + instead
    return word


def _even(word: str) -> str:
    """Without a last letter that endings double or drop."""
    if len(word) > _LEAST and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > _LEAST and word[-1] == "e" else word
