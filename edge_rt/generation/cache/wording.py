"""What a question's text says, as far as it can be told word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise
from typing import NamedTuple

from edge_rt.generation.cache import lexicon
from edge_rt.generation.cache.lexicon import Number, numbers, stem

_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|(?<!\w)'(\S(?:[^'\n]*\S)?)'(?!\w)")
_TOKEN = re.compile(
    r"""\w+://\S+ | [\w.+-]+@[\w-]+(?:\.\w+)+   # addresses
      | (?:/[\w.-]+){2,}                        # paths
      | (?:(?<![\w)\]-])-)?\d(?:[\d.,:/]*\d)?   # numbers with their signs, times, dates
      | [^\W\d_](?:\w|[.'](?=[^\W\d]))*        # words, and names in code
      | (?:(?<=[\d)\]][ \t])|(?<=\b\w[ \t]))-(?!\S)  # minus behind a number or a letter
      | (?:(?<=\S[ \t])|(?<=\S[ \t]{2}))-(?=[ \t]+(?:[\d(\[$€£¥]|\w\b))  # or before one
      | (?<![\w)\]-])-(?=[$€£¥])                 # before a sum
      | (?:(?<=[\d)\]])|(?<=\b[^\W\d_]))-(?=[\d(\[]|[^\W\d_]\b)  # without spaces
      | \w+ | [?!.;:%$¢€£¥°=<>+*^&|\\#~/\u00d7\u00f7]""",
    re.VERBOSE,
)
_ENDS = frozenset(".?!:;")
_FORMULA = frozenset("=<>+*^&|\\#~-/\u00d7\u00f7")
_MARKS = str.maketrans("\u2019\u2212\u2013", "'--")  # printed ones, as they are typed
_CODED = re.compile(r"\w+://|/\D|@|\w_\w|^[a-z]+[A-Z]")
_LINKS = frozenset(("of", "and", "for", "the", "&"))  # within a name
_NO_NAMES = lexicon.FUNCTION | lexicon.TASKS | lexicon.ASKING | lexicon.OPENERS
_NO_OPENERS = _NO_NAMES | set(lexicon.TIMES)
_SENTENCE = re.compile(r"\S.*?(?:[.!?:](?=\s)|\Z)", re.DOTALL)
_PLAIN = re.compile(r"[\w\s.,!?:;'-]+")  # without quotes and code
_BESIDE = lexicon.FUNCTION - lexicon.QUESTIONS  # what stands in a polite sentence
_WORD = re.compile(r"\w[\w']*")
_DOTTED = re.compile(r"[^\W\d_](\.[^\W\d_])+")
_SENSES = {stem(word): sense for word, sense in lexicon.SAME_SENSE.items()}


class Wording(NamedTuple):
    """A text by what it holds, everything in the order of its coming and in small letters.

    `names` are words with capital letters, those together that stand together; `openers` are words
    that may have theirs from the beginning of a sentence alone. `content` are stems of the words
    that tell of something, words of the same sense alike; in `roles` an owner comes behind what it
    owns, as with "of". `times` are days, months and the like by their sense. `asks` is whether it
    has a question mark, `wants` whether a sentence of it asks or sets a task.
    """

    numbers: tuple[Number, ...]
    quoted: tuple[str, ...]
    code: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    openers: frozenset[str]
    words: tuple[str, ...]
    content: tuple[str, ...]
    roles: tuple[str, ...]
    times: frozenset[str]
    asks: bool
    wants: bool


def wording(text: str) -> Wording:
    """Take a text apart, without politeness around what it says."""
    text = _meant(text.translate(_MARKS))
    plain = _CODE.sub(" ", text)
    tokens = _TOKEN.findall(plain)
    said = [token for token in tokens if token not in _ENDS]
    words = tuple(map(_bare, said))
    found, spoken = numbers(words)
    told = tuple(_told(words, spoken))
    owners = {at for at, token in enumerate(said) if token.casefold().endswith("'s")}
    first = [token for before, token in pairwise([".", *tokens]) if before in _ENDS]
    heads = [*tokens[:1], *(token for token in first if token[0].isupper())]
    begins = {token.casefold().partition("'")[0] for token in heads}
    return Wording(
        numbers=found,
        quoted=tuple(_plain(*parts) for parts in _QUOTED.findall(plain)),
        code=(*_CODE.findall(text), *(t for t in tokens if t in _FORMULA or _CODED.search(t))),
        names=tuple(_names(tokens)),
        openers=frozenset(_openers(first)),
        words=words,
        content=tuple(word for _, word in told),
        roles=tuple(_roles(told, owners)),
        times=frozenset(_times(tokens, words)),
        asks="?" in tokens,
        wants="?" in tokens
        or not begins.isdisjoint(lexicon.TASKS | lexicon.ASKING)
        or any(pair in lexicon.WISHES for pair in pairwise(words)),
    )


def _meant(text: str) -> str:
    """Return a text without greetings and thanks around it, unless it is nothing else."""
    parts = list(_SENTENCE.finditer(text))
    while parts and _polite(parts[0][0], lexicon.GREETING):
        del parts[0]
    while len(parts) > 1 and parts[-2][0][-1] != ":" and _polite(parts[-1][0], lexicon.THANKS):
        del parts[-1]
    return text[parts[0].start() : parts[-1].end()] if parts else text


def _polite(sentence: str, words: Set[str]) -> bool:
    """Return whether it has some of these words, and else only such as tell of nothing."""
    found = set(_WORD.findall(sentence.casefold()))
    asks = "?" in sentence and "you" not in found  # for an answer, and not for the kindness
    return (
        _PLAIN.fullmatch(sentence) is not None
        and not asks
        and not found.isdisjoint(words)
        and found <= words | _BESIDE
    )


def _bare(token: str) -> str:
    """Return a word in small letters, without 's and the dots of an abbreviation."""
    word = token.casefold().removesuffix("'s")
    return word.replace(".", "") if _DOTTED.fullmatch(word) else word


def _plain(*parts: str) -> str:
    """Return the words of what stands in quotes, of whichever kind, as `words` has them."""
    return " ".join(_bare(token) for token in _TOKEN.findall("".join(parts)) if token not in _ENDS)


def _names(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    run: list[str] = []
    before = "."
    for token in tokens:
        if _is_name(token, begins=before in _ENDS):
            run.append(_bare(token))
        elif run and token not in _LINKS:
            yield tuple(run)
            run = []
        before = token
    if run:
        yield tuple(run)


def _is_name(token: str, *, begins: bool) -> bool:
    letters = token[1:] if begins else token
    return any(letter.isupper() for letter in letters) and (
        (token.isupper() and len(token) > 1) or _bare(token) not in _NO_NAMES
    )


def _openers(first: Sequence[str]) -> Iterator[str]:
    for token in first:
        if token.istitle() and _bare(token) not in _NO_OPENERS:
            yield _bare(token)


def _told(words: Sequence[str], spoken: frozenset[int]) -> Iterator[tuple[int, str]]:
    """Yield what tells of something, and where it stands."""
    for at, word in enumerate(words):
        tells = word[0].isalpha() and word not in lexicon.FUNCTION and not negates(word)
        if tells and at not in spoken:
            yield at, sense(word)


def _roles(told: Sequence[tuple[int, str]], owners: Set[int]) -> Iterator[str]:
    owner: list[str] = []
    for at, word in told:
        if at in owners and not owner:
            owner = [word]
        else:
            yield from (word, *owner)
            owner = []
    yield from owner


def _times(tokens: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    """Yield words for times, "May" among them unless it begins a sentence."""
    yield from (lexicon.TIMES[word] for word in words if word in lexicon.TIMES)
    if any(token == "May" and before not in _ENDS for before, token in pairwise(tokens)):
        yield "may"


def sense(word: str) -> str:
    """Return the stem of a word, or what stands for all words of the same sense."""
    return _SENSES.get(stem(word), stem(word))


def negates(word: str) -> bool:
    """Return whether a word in small letters negates the sentence."""
    return word in lexicon.NEGATIONS or word.endswith("n't")
