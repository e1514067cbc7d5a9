"""What keeps two questions apart, however near they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import chain, pairwise

from edge_rt.generation.cache import lexicon
from edge_rt.generation.cache.wording import Wording, negates, sense

_LONGER, _MORE = 1.5, 3  # times as many words, and words besides, may the longer of two have
_MOST = 400  # words of a text that is compared at all
_TERM = 4  # words at most in quotes that are no speech
_INITIALS = 6  # words at most of a name that initials stand for
_LATIN = "\u024f"  # the last letter of that script

Same = Callable[[Wording, Wording], bool]

_IDLE = frozenset(map(sense, lexicon.IDLE))


def apart(one: Wording, other: Wording) -> str | None:
    """Return the first guard that forbids the answer to one question to be given to the other.

    None: there is none. It does not matter which of the two was asked first. What asks or sets a
    task must have all names, times and quantities of the other; of two texts that only tell
    something one may have more of them, but neither may have others.
    """
    return next((name for name, same in GUARDS.items() if not same(one, other)), None)


def unknown_names(one: Wording, other: Wording) -> list[str]:
    """Names in `one` of which the other knows nothing, neither whole nor by initials."""
    short = {word for run in other.names for word in run}
    there = {*other.words, *short, *_initials(other), *lexicon.TITLES}
    spelt_out = {word for part in parts(one) if _initial(part) in short for word in part}
    return [w for run in one.names for w in run if w not in there and w not in spelt_out]


def parts(one: Wording) -> Iterator[tuple[str, ...]]:
    """Yield whatever stands together in a name, of two words up to as many as have initials."""
    for run in one.names:
        for begin in range(len(run) - 1):
            for end in range(begin + 2, min(begin + _INITIALS, len(run)) + 1):
                yield run[begin:end]


def _initial(part: tuple[str, ...]) -> str:
    return "".join(word[0] for word in part)


def _initials(one: Wording) -> Iterator[str]:
    return map(_initial, parts(one))


def _names(one: Wording, other: Wording) -> bool:
    """Return whether names of both come in the same order, and none in another's place."""
    openers = [_openers(a, b) for a, b in _ways(one, other)]
    news = [
        [*unknown_names(a, b), *(word for word in begun if word not in b.words)]
        for begun, (a, b) in zip(openers, _ways(one, other), strict=True)
    ]
    if all(news) or (any(news) and _strict(one, other)):
        return False
    first, second = (
        len(begun) + sum(map(len, each.names))
        for begun, each in zip(openers, (one, other), strict=True)
    )
    if (news[0] and first <= second) or (news[1] and second <= first):
        return False
    both = {word for run in one.names for word in run} & {
        word for run in other.names for word in run
    }
    return _order(one.words, both) == _order(other.words, both)


def _ways(one: Wording, other: Wording) -> tuple[tuple[Wording, Wording], ...]:
    return (one, other), (other, one)


def _strict(one: Wording, other: Wording) -> bool:
    return one.wants or other.wants


def _openers(one: Wording, other: Wording) -> list[str]:
    """Words that may be names, as far as none is a plain word in the other, in whatever form."""
    names = {*other.openers, *_all(other)}
    plain = {sense(word) for word in other.words if word not in names}
    return [word for word in one.openers if sense(word) not in plain]


def _order(words: Iterable[str], among: set[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word in among))


def _roles(one: Wording, other: Wording) -> bool:
    """Questions and tasks have the words that tell of something in the same order."""
    both = set(one.content) & set(other.content)
    return not _strict(one, other) or _order(one.roles, both) == _order(other.roles, both)


def _words(one: Wording, other: Wording) -> bool:
    """Questions and tasks have no word that the other text lacks.

    Names are left to their own guard, and words that change nothing do not count.
    """
    return not (_strict(one, other) and any(_lacking(a, b) for a, b in _ways(one, other)))


def _lacking(one: Wording, other: Wording) -> set[str]:
    return set(one.content) - set(other.content) - set(map(sense, _all(one))) - _IDLE


def _all(one: Wording) -> Iterator[str]:
    return chain.from_iterable(one.names)


def _quoted(one: Wording, other: Wording) -> bool:
    """Return whether what one has in quotes is in the other word for word.

    But of texts that only tell something, speech is left to the second look, like all else.
    """
    most = _MOST if _strict(one, other) else _TERM
    texts = f" {' '.join(one.words)} ", f" {' '.join(other.words)} "
    return all(
        f" {said} " in text
        for text, each in zip(reversed(texts), (one, other), strict=True)
        for said in each.quoted
        if len(said.split()) <= most
    )


def _negations(one: Wording, other: Wording) -> bool:
    return _negated(one) == _negated(other)


def _negated(one: Wording) -> int:
    """Return the number of negations; "No. 2" is a number."""
    numbered = sum(a == "no" and b.isdigit() for a, b in pairwise(one.words))
    return sum(map(negates, one.words)) - numbered


def _questions(one: Wording, other: Wording) -> bool:
    return one.asks == other.asks and _asked(one) == _asked(other)


def _asked(one: Wording) -> Counter[str]:
    """Return the question words of what asks, and what is measured by a "how"."""
    if not one.asks:
        return Counter()
    words = [word.partition("'")[0] for word in one.words]
    found = Counter(word for word in words if word in lexicon.QUESTIONS)
    return found + Counter(b for a, b in pairwise(words) if a == "how" and b in lexicon.MEASURES)


def _opposites(one: Wording, other: Wording) -> bool:
    """Return whether nothing that only one has faces its opposite in the other."""
    a, b = set(one.words), set(other.words)
    a, b = a - b, b - a
    return not any(
        (left & a and right & b) or (right & a and left & b) for left, right in lexicon.OPPOSITES
    )


def _times(one: Wording, other: Wording) -> bool:
    return _alike(one, other, one.times, other.times)


def _quantities(one: Wording, other: Wording) -> bool:
    table = lexicon.QUANTITIES
    a, b = ({table[word] for word in each.words if word in table} for each in (one, other))
    return _alike(one, other, a, b)


def _alike(one: Wording, other: Wording, a: Set[str], b: Set[str]) -> bool:
    return a == b if _strict(one, other) else a <= b or b <= a


def _lengths(one: Wording, other: Wording) -> bool:
    short, long = sorted((len(one.words), len(other.words)))
    return long <= min(_MOST, _LONGER * short + _MORE)


def _english(one: Wording, other: Wording) -> bool:
    """Return whether both seem to be English, the only language that the guards know."""
    return all(
        sum(word in lexicon.FOREIGN for word in words)
        <= sum(word in lexicon.FUNCTION for word in words)
        and not any(letter > _LATIN for word in words for letter in word)
        for words in (one.words, other.words)
    )


def _tenses(one: Wording, other: Wording) -> bool:
    """Return whether what asks or sets a task is about the past in both, or in neither."""
    return not _strict(one, other) or _past(one) == _past(other)


def _past(one: Wording) -> bool:
    return not lexicon.PAST.isdisjoint(one.words)


GUARDS: Mapping[str, Same] = {
    "length": _lengths,
    "language": _english,
    "numbers": lambda one, other: one.numbers == other.numbers,
    "quoted": _quoted,
    "code": lambda one, other: one.code == other.code,
    "names": _names,
    "negations": _negations,
    "questions": _questions,
    "tenses": _tenses,
    "times": _times,
    "quantities": _quantities,
    "opposites": _opposites,
    "roles": _roles,
    "words": _words,
}
"""By name, whether two questions agree in it; the quickest test comes first."""
