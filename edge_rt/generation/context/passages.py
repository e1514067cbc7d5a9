"""A long chat in passages, some of which may be left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence, Set
from itertools import pairwise
from typing import Any, NamedTuple

Message = dict[str, Any]

PIECE = 600  # characters: a longer turn is divided
GAP = "[…]"
_BREAKS = (r"\n\s*\n", r"\n", r"(?<=[.!?])\s+", r"\s+")  # where text is divided, the best first


class Passage(NamedTuple):
    """A part of a conversation: a whole turn, or part `part` of the text of one message.

    `message` is None for a whole turn.
    """

    turn: int
    message: int | None
    part: int
    text: str


class LongChat:
    """Messages as the system's, turns of user and assistant, and the last turn.

    A turn is what a user said and all that follows up to what the user said next, so that calls of
    tools keep their results, and user and assistant still alternate where turns are left out.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)
        begins = [i for i, message in enumerate(messages) if message["role"] == "user"]
        self.head = next((i for i, m in enumerate(messages) if m["role"] != "system"), 0)
        edges = [self.head, *(i for i in begins if i > self.head), len(messages)]
        self._turns = list(pairwise(edges))
        self.passages = [passage for turn in range(self.last) for passage in self._divided(turn)]
        asked = self._turns[-1][0] if self._turns else 0
        self.question = list(self._parts(self.last, asked)) if self._turns else []

    @property
    def last(self) -> int:
        """The number of the last turn."""
        return max(0, len(self._turns) - 1)

    @property
    def fixed(self) -> int:
        """The characters that always stay: the system's, and what follows the last question."""
        first = self._turns[-1][0] + 1 if self._turns else len(self.messages)
        return sum(_size(m) for m in (*self.messages[: self.head], *self.messages[first:]))

    def with_only(self, kept: Collection[Passage]) -> list[Message]:
        """Return the messages with no passages but `kept`; a gap stands where text is missing."""
        whole = {passage.turn for passage in kept if passage.message is None}
        parts: dict[int, list[str]] = {}
        for turn in {passage.turn for passage in kept} - whole:
            for at in range(*self._turns[turn]):
                parts[at] = []
        chosen = set(kept)
        for passage in (*self.passages, *self.question):
            if passage.message is not None and passage.message in parts:
                told = parts[passage.message]
                if passage in chosen:
                    told.append(passage.text)
                elif told[-1:] != [GAP]:
                    told.append(GAP)
        found = self.messages[: self.head]
        for turn, (first, end) in enumerate(self._turns):
            if turn in whole:
                found += self.messages[first:end]
            elif first in parts:
                for at in range(first, end):
                    shortened = {"content": "\n".join(parts[at])} if parts[at] else {}
                    found.append({**self.messages[at], **shortened})
        return found

    def left_out(self, kept: Set[Passage]) -> list[int]:
        """Return the numbers of the messages that are left out, whole or in part."""
        missing = [one for one in (*self.passages, *self.question) if one not in kept]
        numbers = set[int]()
        for passage in missing:
            turn = range(*self._turns[passage.turn])
            numbers |= set(turn) if passage.message is None else {passage.message}
        return sorted(numbers)

    def _divided(self, turn: int) -> Iterator[Passage]:
        first, end = self._turns[turn]
        said = self.messages[first:end]
        plain = all(m["role"] in ("user", "assistant") and not m.get("tool_calls") for m in said)
        if not plain or sum(map(_size, said)) <= PIECE:
            yield Passage(turn, None, 0, "\n".join(str(m["content"] or "") for m in said))
            return
        for at in range(first, end):
            yield from self._parts(turn, at)

    def _parts(self, turn: int, at: int) -> Iterator[Passage]:
        for part, text in enumerate(divide(str(self.messages[at]["content"] or ""))):
            yield Passage(turn, at, part, text)


def divide(text: str, breaks: Sequence[str] = _BREAKS) -> list[str]:
    """Return the parts of a text, of at most PIECE characters each where it can be divided so."""
    if len(text) <= PIECE:
        return [text]
    if not breaks:
        return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    found: list[str] = []
    for part in re.split(breaks[0], text):
        for short in divide(part, breaks[1:]):
            if found and len(found[-1]) + len(short) < PIECE // 2:
                found[-1] += f"\n{short}"
            elif short:
                found.append(short)
    return found


def _size(message: Message) -> int:
    return len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or ""))
