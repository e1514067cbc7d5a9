"""Ask every question in every way, item by item, and keep the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from edge_rt.core.decoding import Made
from evallib import EvalError
from evallib.asker import Asks, Reply, Unanswered, question
from evallib.journal import Journal
from evallib.record import Key, Record, canonical, word
from evallib.task import Item, Judged, Task
from evallib.way import Way

FAILURES = 5  # in a row end it all
_TOLD = (  # by the response, where it tells them
    "energy_j",
    "power_w",
    "temp_c",
    "mode",
    *Made().named(),
)
_OTHER = "Hello."  # read in between, so that no way finds the prompt read by the one before it


@dataclass(frozen=True)
class Work:
    """A task and the questions of it that are asked."""

    task: Task
    items: Sequence[Item]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; `max_tokens` None: as the task has it."""

    temperature: float = 0.0
    seed: int = 0
    max_tokens: int | None = None


@dataclass
class Rounds:
    """All ways answer the first question of each task, then the second, and so on.

    So whatever changes meanwhile hits all alike; who is first changes from question to question.
    Answers that the journal has are not made again. `tell` is told the share that is done, and
    what comes next.
    """

    asker: Asks
    journal: Journal
    ways: Sequence[Way]
    sampling: Sampling
    tell: Callable[[float, str], None]
    prints: dict[str, str] = field(default_factory=dict[str, str])  # fingerprints by model
    _failures: int = 0

    async def run(self, works: Sequence[Work]) -> None:
        """Ask what is missing; raises EvalError where the server does not answer any more."""
        await self._meet()
        todo = list(self._todo(works))
        for number, (task, item, way) in enumerate(todo):
            self.tell(number / len(todo), f"{task.name} {item.id}, {way.name}")
            record = await self._answer(task, item, way)
            self.journal.add(record)
            self._count(record)

    def found(self, work: Work, way: Way) -> dict[str, Record]:
        """Return what is known of the answers to `work`, failures included, by the item's id."""
        records = (
            (item.id, self.journal.get(self.key(work.task, item, way))) for item in work.items
        )
        return {id: record for id, record in records if record is not None}

    def key(self, task: Task, item: Item, way: Way) -> Key:
        """The key under which an answer is kept."""
        models = ",".join(self.prints.get(model, "") for model in way.models or (way.model,))
        asked = word({**self._body(task, item, way), "edge": None})
        return Key(task.name, item.id, way.model, canonical(way.edge), models, asked)

    async def _meet(self) -> None:
        """Have every model loaded, and learn which they are."""
        for model in dict.fromkeys(
            name for way in self.ways for name in way.models or (way.model,)
        ):
            self.tell(0.0, model)
            try:
                self.prints[model] = (await self._greet(model, {})).fingerprint
            except Unanswered as error:
                raise EvalError(f"{model} does not answer: {error}") from error

    def _todo(self, works: Sequence[Work]) -> Iterator[tuple[Task, Item, Way]]:
        for number, items in enumerate(zip_longest(*(work.items for work in works))):
            for work, item in zip(works, items, strict=True):
                first = number % len(self.ways)
                for way in (*self.ways[first:], *self.ways[:first]):
                    if item is not None and not self.journal.done(self.key(work.task, item, way)):
                        yield work.task, item, way

    async def _answer(self, task: Task, item: Item, way: Way) -> Record:
        key = self.key(task, item, way)
        try:
            if len(self.ways) > 1:
                await self._forget(way)
            reply = await self.asker.ask(self._body(task, item, way))
        except Unanswered as error:
            return Record(key=key, way=way.name, failed=str(error))
        return record_of(key, way, reply, task.judge(item, reply.text))

    async def _forget(self, way: Way) -> None:
        """Have each model read something else, so that it does not know the prompt."""
        for model in way.models or (way.model,):
            await self._greet(model, {"mode": "single"} if way.edge else {})

    async def _greet(self, model: str, edge: Mapping[str, str]) -> Reply:
        return await self.asker.ask(question(model, _OTHER, edge, 1, 0.0, 0))

    def _body(self, task: Task, item: Item, way: Way) -> Mapping[str, object]:
        how = self.sampling
        tokens = how.max_tokens or task.max_tokens
        return question(way.model, item.prompt, way.edge, tokens, how.temperature, how.seed)

    def _count(self, record: Record) -> None:
        self._failures = 0 if record.failed is None else self._failures + 1
        if self._failures >= FAILURES:
            raise EvalError(f"{FAILURES} answers in a row failed, the last with: {record.failed}")


def record_of(key: Key, way: Way, reply: Reply, judged: Judged) -> Record:
    """Return what is kept of an answer."""
    edge = reply.edge
    return Record(
        key=key,
        way=way.name,
        correct=judged.correct,
        answer=judged.answer,
        why=judged.why,
        text=reply.text,
        reason=reply.reason,
        seconds=reply.seconds,
        prompt_tokens=reply.prompt_tokens,
        cached_tokens=reply.cached_tokens,
        tokens=reply.tokens,
        **{name: edge.get(name) for name in _TOLD},
    )
