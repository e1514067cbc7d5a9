"""Ask for samples and keep them, so that ways of choosing among them can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from typing_extensions import override

from evallib.asker import Reply, Unanswered
from evallib.record import Record
from evallib.rounds import Rounds
from evallib.samples.problems import Calls, verified
from evallib.task import Item, Task
from evallib.way import Way

SMALL, SAMPLES, LARGE = "small", "samples", "large"


class Said(msgspec.Struct, frozen=True):
    """One answer; see Verified."""

    text: str
    tokens: int
    correct: bool
    vote: str | None
    passed: bool | None


class Drawn(Record, frozen=True, kw_only=True):
    """The answers to one request."""

    answers: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Source(Way):
    """A way that draws `n` answers at once."""

    n: int = 1
    temperature: float = 0.0


def sources(task: str, large: str, small: str, most: int, temperature: float) -> list[Source]:
    """Return what a task needs: votes need no large model.

    What lookup drafts is lossless, so that its answers are those of the model alone.
    """
    drawn = Source(SAMPLES, small, {"mode": "single"}, n=most, temperature=temperature)
    if task not in ("humaneval", "bfcl"):
        return [drawn]
    alone = {"mode": "lookup" if task == "humaneval" else "single"}
    return [Source(SMALL, small, alone), drawn, Source(LARGE, large, alone)]


@dataclass
class Recorder(Rounds):
    """Rounds of requests that may want several answers, and tools."""

    @override
    async def _answer(self, task: Task, item: Item, way: Way) -> Drawn:
        key = self.key(task, item, way)
        try:
            reply = await self.asker.ask(self._body(task, item, way))
        except Unanswered as error:
            return Drawn(key=key, way=way.name, failed=str(error))
        return Drawn(
            key=key,
            way=way.name,
            answers=tuple(_said(task, item, choice, reply) for choice in reply.choices),
            prompt_tokens=reply.prompt_tokens,
            tokens=reply.tokens,
            accepted_tokens=reply.edge.get("accepted_tokens"),
            rejected_tokens=reply.edge.get("rejected_tokens"),
        )

    @override
    def _body(self, task: Task, item: Item, way: Way) -> Mapping[str, object]:
        assert isinstance(way, Source)
        body = {**super()._body(task, item, way), "n": way.n, "temperature": way.temperature}
        if isinstance(task, Calls):
            one = {"tool_choice": "required", "parallel_tool_calls": False}
            body |= {"tools": item.reference[0], **one}
        return body | ({"logprobs": True} if way.n > 1 else {})  # to count the tokens of each


def _said(task: Task, item: Item, choice: Mapping[str, Any], reply: Reply) -> Said:
    found, told = verified(task, item, choice["message"]), choice.get("logprobs")
    tokens = len(told["content"]) if told else reply.tokens
    text = choice["message"].get("content") or ""
    return Said(text, tokens, found.correct, found.vote, found.passed)
