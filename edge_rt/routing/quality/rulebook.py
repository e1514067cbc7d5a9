"""What is known of prompts and tests: rules, examples and figures, as YAML files hold them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ConfigError
from edge_rt.core.files import read_yaml

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)")
_STEP = re.compile(r"(?im)^\s*(?:\d+[.)]|[-*•])\s|\b(?:then|after that|finally|next)\b")
_SYMBOL = re.compile(r"\\[a-zA-Z]+|[\^=≤≥<>∑∫√π]")
_LETTERS_A_WORD = re.compile(r"[^\W\d_]+")


def _counted(pattern: re.Pattern[str]) -> Callable[[str], float]:
    def count(text: str) -> float:
        return float(sum(1 for _ in pattern.finditer(text)))

    return count


def _word_letters(text: str) -> float:
    """Letters a word, in the mean; 0 without words."""
    words = _LETTERS_A_WORD.findall(text)
    return sum(map(len, words)) / len(words) if words else 0.0


MEASURES: Mapping[str, Callable[[str], float]] = {
    "words": _counted(_WORD),
    "numbers": _counted(_NUMBER),
    "sentences": _counted(_SENTENCE),
    "steps": _counted(_STEP),
    "symbols": _counted(_SYMBOL),
    "word_letters": _word_letters,
}
"""By name: words, numbers, sentences, steps (list items, "then"), symbols of formulas, letters a
word.
"""


SHIPPED = Path(__file__).with_name("rules.yaml")

_Name = Annotated[str, Meta(min_length=1, max_length=80)]
_Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
_Test = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
_LogOdds = Annotated[float, Meta(ge=-10, le=10)]
_Texts = list[Annotated[str, Meta(min_length=1, max_length=2000)]]


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are errors."""


class Rule(_Item, frozen=True):
    """A pattern of prompts, and how much more often answers to such are good: `weight`, in
    log-odds.

    It fits by one of three: a `regex` found in it, one of `words` as a whole word in any case, or a
    `measure` of `least` to `most`. The first rule that fits and names a `kind` gives the prompt its
    kind; rules of another kind, or `within` another, do not count.
    """

    name: _Name
    weight: _LogOdds
    kind: _Kind | None = None
    within: _Kind | None = None
    regex: str | None = None
    words: Annotated[_Texts, Meta(min_length=1)] | None = None
    measure: str | None = None
    least: float | None = None
    most: float | None = None
    source: str = ""  # of the weight


class Benchmark(_Item, frozen=True):
    """The kind of a benchmark's questions, and how much `easier` they are than usual ones."""

    kind: _Kind
    easier: _LogOdds
    source: str = ""


class Size(_Item, frozen=True):
    """What a model that nobody evaluated may be good for: log-odds by its parameters."""

    parameters: Annotated[float, Meta(gt=0)]
    log_odds: _LogOdds
    per_doubling: _LogOdds
    source: str = ""


class Examples(_Item, frozen=True):
    """Prompts that are easy and hard; `weight` is that of a whole step in cosine between them."""

    weight: Annotated[float, Meta(ge=0, le=100)] | None = None  # None: as in the file before
    easy: _Texts = []
    hard: _Texts = []
    source: str = ""


class Rulebook(_Item, frozen=True):
    """A file of them."""

    rules: list[Rule] = []
    tests: dict[_Test, Benchmark] = {}
    size: Size | None = None
    examples: Examples = Examples()
    source: str = ""


def load_rulebook(extra: Sequence[Path] = ()) -> Rulebook:
    """Return the shipped rules and those of `extra` behind them; raises ConfigError.

    A rule, a test or the size of a later file replaces the one of that name.
    """
    book = Rulebook()
    for path in (SHIPPED, *extra):
        read = _read(path)
        book = _joined(book, read)
        _check_kinds(read.rules, book.rules, path)
    return book


def _check_kinds(rules: Sequence[Rule], all_rules: Sequence[Rule], path: Path) -> None:
    kinds = list(dict.fromkeys(rule.kind for rule in all_rules if rule.kind is not None))
    for place, rule in enumerate(rules):
        if rule.within is not None and rule.within not in kinds:
            fault = f"no rule gives the kind {rule.within!r}, there are {', '.join(kinds)}"
            raise ConfigError(fault, file=str(path), key=_key(place, rule.name, "within"))


def _joined(first: Rulebook, second: Rulebook) -> Rulebook:
    rules = {rule.name: rule for rule in (*first.rules, *second.rules)}
    ours, theirs = first.examples, second.examples
    return Rulebook(
        rules=list(rules.values()),
        tests={**first.tests, **second.tests},
        size=second.size or first.size,
        examples=Examples(
            weight=ours.weight if theirs.weight is None else theirs.weight,
            easy=[*ours.easy, *theirs.easy],
            hard=[*ours.hard, *theirs.hard],
            source=theirs.source or ours.source,
        ),
    )


def _read(path: Path) -> Rulebook:
    document: Any = read_yaml(path) or {}
    try:
        book = msgspec.convert(document, Rulebook)
    except msgspec.ValidationError as error:
        message, _, key = str(error).partition(" - at `$.")
        raise ConfigError(message, file=str(path), key=_named(key.rstrip("`"), document)) from error
    names = [rule.name for rule in book.rules]
    for place, rule in enumerate(book.rules):
        fault = ("name", "comes twice") if rule.name in names[:place] else _fault(rule)
        if fault is not None:
            raise ConfigError(fault[1], file=str(path), key=_key(place, rule.name, fault[0]))
    return book


def _fault(rule: Rule) -> tuple[str, str] | None:
    """The field of a rule that is wrong, "" for all of it, and why; None where nothing is."""
    ways = [name for name in ("regex", "words", "measure") if getattr(rule, name) is not None]
    bounds = [name for name in ("least", "most") if getattr(rule, name) is not None]
    if len(ways) != 1:
        has = " and ".join(ways) or "none"
        return "", f"takes one of regex, words and measure, and has {has}"
    if rule.measure is None and bounds:
        return bounds[0], "goes with a measure, and there is none: leave it out"
    if rule.measure is not None and rule.measure not in MEASURES:
        return "measure", f"there is no {rule.measure!r}, there are {', '.join(MEASURES)}"
    if rule.measure is not None and not bounds:
        return "measure", "takes a `least`, a `most` or both"
    if rule.least is not None and rule.most is not None and rule.least > rule.most:
        return "most", f"is less than the `least`, {rule.least:g}: nothing would fit"
    return None if rule.regex is None else _unreadable(rule.regex)


def _unreadable(regex: str) -> tuple[str, str] | None:
    try:
        re.compile(regex)
    except re.error as error:
        return "regex", f"no regular expression: {error}"
    return None


def _key(place: int, name: str, field: str) -> str:
    return f"rules[{place}] ({name}){'.' * bool(field)}{field}"


def _named(key: str, document: Any) -> str:
    """The key with the name of the rule that it is of."""
    found = re.match(r"rules\[(\d+)\]\.?(.*)", key)
    if found is None:
        return key
    try:
        name = document["rules"][int(found[1])]["name"]
    except (KeyError, TypeError):
        return key
    return _key(int(found[1]), str(name), found[2])
