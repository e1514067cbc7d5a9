"""Parts of the readers of calls: events and values."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from edge_rt.models.answers.values import python_value

SPACE = " \t\r\n"
"""Characters around markers that belong to no part."""

Tools = Mapping[str, Mapping[str, Any]]
"""The JSON schemas of tools' arguments, by the tools' names."""

_HALF = re.compile("[\ud800-\udfff]")  # of a pair that an escape wrote; no UTF-8 has it


class Content(NamedTuple):
    """New text of the answer itself."""

    text: str


class Thought(NamedTuple):
    """New text of what the model thinks before it answers."""

    text: str


class MadeCall(NamedTuple):
    """A complete call; `arguments` are a JSON object as text."""

    name: str
    arguments: str


Part = Content | Thought | MadeCall


class AnswerReader(ABC):
    """Reads one answer as it comes."""

    def __init__(self) -> None:
        self.calls = 0  # that were made
        self._text: str = ""  # that is not told yet
        self._told: list[Part] = []

    def push(self, text: str) -> list[Part]:
        """Return what new text makes sure."""
        self._text += text
        return self._run(final=False)

    def finish(self) -> list[Part]:
        """Return the rest; nothing may be pushed afterwards."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> list[Part]:
        while self._step(final):
            pass
        told, self._told = self._told, []
        return told

    @abstractmethod
    def _step(self, final: bool) -> bool:
        """Tell something of the text; return False where it does not tell enough to go on."""


class Step(NamedTuple):
    """Progress of a reader of calls: `used` characters of its text need not be read again.

    With `more` it is to be asked again, without it the calls have ended.
    """

    used: int = 0
    call: MadeCall | None = None
    more: bool = True


WAIT = Step()  # for more text
END = Step(more=False)


def first(text: str, words: tuple[str, ...]) -> tuple[int, str]:
    """Return where the first of `words` stands, and which it is; -1 and "": none does."""
    found = [(at, -len(word), word) for word in words if (at := text.find(word)) >= 0]
    at, _, word = min(found, default=(-1, 0, ""))
    return at, word


def held(text: str, words: tuple[str, ...]) -> int:
    """Return how much of the end of `text` may be the begin of one of `words`."""
    most = min(max(map(len, words), default=1) - 1, len(text))
    ends = (text[-n:] for n in range(most, 0, -1))
    return next((len(end) for end in ends if any(word.startswith(end) for word in words)), 0)


def argument(text: str, schema: object) -> object:
    """Return the value of an argument without quotes; `schema` None: nobody said."""
    kinds = kinds_of(schema)
    if kinds is not None and "string" in kinds:
        return None if text == "null" and "null" in kinds else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return python_value(text)


def kinds_of(schema: object) -> set[str] | None:
    """Return the names of the types that a schema allows; None where it does not tell."""
    if not isinstance(schema, dict):
        return None
    told = cast("dict[str, Any]", schema)
    if isinstance(told.get("enum"), list):
        values = cast("list[object]", told["enum"])
        return {"string" if isinstance(value, str) else "other" for value in values}
    kind = told.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {str(one) for one in cast("list[object]", kind)}
    choices = [told[name] for name in ("anyOf", "oneOf") if isinstance(told.get(name), list)]
    found = [kinds_of(one) for listed in choices for one in listed]
    return set[str]().union(*(kinds for kinds in found if kinds)) if found else None


def called(text: str, name_key: str, arguments_keys: tuple[str, ...]) -> tuple[str, str] | None:
    """Return name and arguments of the call that a JSON object is; None where it is none."""
    try:
        found = _loaded(text)
    except (ValueError, RecursionError):
        return None
    document = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if isinstance(document.get("function"), dict):
        document = cast("dict[str, Any]", document["function"])
    if not isinstance(document.get(name_key), str):
        return None
    given = [document[key] for key in arguments_keys if key in document]
    arguments = arguments_text(given[0] if given else None)
    return None if arguments is None else (_HALF.sub("\ufffd", document[name_key]), arguments)


def arguments_text(found: object) -> str | None:
    """Return arguments as a JSON object in a text; None where they are none."""
    if isinstance(found, str):  # some models write the object as a string
        try:
            found = _loaded(found or "{}")
        except (ValueError, RecursionError):
            return None
    if found is None:
        found = dict[str, object]()
    if not isinstance(found, dict):
        return None
    told = cast("Mapping[str, object]", found)
    try:
        text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN and Infinity, which Python reads, are no JSON
        return None
    return _HALF.sub("\ufffd", text)


def _loaded(text: str) -> object:
    """Return the value of JSON; some models write line ends into strings."""
    return json.loads(text, strict=False)
