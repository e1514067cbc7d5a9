"""Ask for samples and keep them, so that ways of choosing among them can be replayed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from evallib import EvalError
from evallib.asker import Asker, Reply, Unanswered, question
from evallib.journal import Journal
from evallib.record import Key, Record, canonical, word
from evallib.rounds import FAILURES, Work
from evallib.samples.problems import Calls, verified
from evallib.task import Item, Task


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
class Source:
    """How answers are drawn: `n` of them at once of a model, in a mode."""

    name: str
    model: str
    mode: str
    n: int
    temperature: float


SMALL, SAMPLES, LARGE, LOOKUP = "small", "samples", "large", "large by lookup"


def sources(task: str, large: str, small: str, most: int, temperature: float) -> list[Source]:
    """Return what a task needs: votes need no large model.

    What lookup drafts is lossless, so that its answers are those of the model alone.
    """
    samples = Source(SAMPLES, small, "single", most, temperature)
    if task not in ("humaneval", "bfcl"):
        return [samples]
    mode = "lookup" if task == "humaneval" else "single"
    alone = [Source(SMALL, small, mode, 1, 0.0), Source(LARGE, large, mode, 1, 0.0)]
    return [alone[0], samples, alone[1]]


@dataclass
class Recorder:
    """Asks the first question of each task, then the second, and so on.

    What the journal has is not asked again. `tell` is told the share that is done, and what is
    next.
    """

    asker: Asker
    journal: Journal
    sources: Mapping[str, Sequence[Source]]  # by task
    tell: Callable[[float, str], None]
    seed: int = 0
    wait: Callable[[], None] = field(default=lambda: None)
    _failures: int = 0

    async def run(self, works: Sequence[Work]) -> None:
        """Ask what is missing; raises EvalError where the server does not answer any more."""
        todo = [one for one in self._all(works) if not self.journal.done(self.key(*one))]
        for number, (task, item, source) in enumerate(todo):
            self.tell(number / len(todo), f"{task.name} {item.id}, {source.name}")
            self.wait()
            record = await self._ask(task, item, source)
            self.journal.add(record)
            self._failures = 0 if record.failed is None else self._failures + 1
            if self._failures >= FAILURES:
                raise EvalError(f"{FAILURES} requests in a row failed, the last: {record.failed}")

    def _all(self, works: Sequence[Work]) -> Iterator[tuple[Task, Item, Source]]:
        for items in itertools.zip_longest(*(work.items for work in works)):
            for work, item in zip(works, items, strict=True):
                if item is not None:
                    yield from ((work.task, item, one) for one in self.sources[work.task.name])

    def key(self, task: Task, item: Item, source: Source) -> Key:
        """Return the key under which the answers are kept."""
        asked = word(self._body(task, item, source))
        edge = canonical({"mode": source.mode})
        return Key(task.name, item.id, source.model, edge, source.name, asked)

    def _body(self, task: Task, item: Item, source: Source) -> dict[str, Any]:
        edge = {"mode": source.mode}
        how = task.max_tokens, source.temperature, self.seed
        body = question(source.model, item.prompt, edge, *how) | {"n": source.n}
        if isinstance(task, Calls):
            body |= {"tools": item.reference[0], "tool_choice": "required"}
        return body | ({"logprobs": True} if source.n > 1 else {})

    async def _ask(self, task: Task, item: Item, source: Source) -> Drawn:
        key = self.key(task, item, source)
        try:
            reply = await self.asker.ask(self._body(task, item, source))
        except Unanswered as error:
            return Drawn(key=key, way=source.name, failed=str(error))
        answers = [_said(task, item, choice, reply) for choice in reply.choices]
        return Drawn(
            key=key,
            way=source.name,
            answers=tuple(answers),
            prompt_tokens=reply.prompt_tokens,
            cached_tokens=reply.cached_tokens,
            tokens=reply.tokens,
            accepted_tokens=reply.edge.get("accepted_tokens"),
            rejected_tokens=reply.edge.get("rejected_tokens"),
        )


def _said(task: Task, item: Item, choice: Mapping[str, Any], reply: Reply) -> Said:
    found, told = verified(task, item, choice["message"]), choice.get("logprobs")
    tokens = len(told["content"]) if told else reply.tokens
    text = choice["message"].get("content") or ""
    return Said(text, tokens, found.correct, found.vote, found.passed)
