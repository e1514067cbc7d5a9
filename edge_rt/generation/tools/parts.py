"""What a model's text is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SPACE = " \t\r\n"
"""Characters around markers that belong to no part."""

Tools = Mapping[str, Mapping[str, Any]]
"""The JSON schemas of tools' arguments, by the tools' names."""


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


class Step(NamedTuple):
    """Progress of a reader of calls: `used` characters of its text need not be read again.

    With `more` it is to be asked again, without it the calls have ended.
    """

    used: int = 0
    call: MadeCall | None = None
    more: bool = True


WAIT = Step()  # for more text
END = Step(more=False)
