"""Answers as the cache keeps them: where, of which events, and as they are found again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from edge_rt.api.allowance import Terms
from edge_rt.core.cached import Kept
from edge_rt.core.chat_format import Reading
from edge_rt.core.decoding import Made, Mode, TokenLogprob
from edge_rt.core.events import Delta, Ended, Finished, Started, Timings
from edge_rt.core.reports.board import Quality
from edge_rt.core.requests import Cost, ModelCard, Plan
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.usage import Tally

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import Neighbour, Question, SemanticCache


_LONG = 4096  # characters of a piece to which no more is added
NOBODY = "unknown"  # in place of a client that the connection does not tell
_SHOWN = 120  # characters of a question
_NOTHING = Cost(energy_j=0.0, quality="modelled", power_w=None, temp_c=None, seconds=0.0)


class _Line(msgspec.Struct, frozen=True, array_like=True, tag=True):
    call: int


class Begin(_Line, frozen=True, tag=0):
    """What Started told."""

    prompt_tokens: int
    cached_tokens: int

    def event(self) -> Started:
        return Started(0, self.prompt_tokens, self.cached_tokens)


class Piece(_Line, frozen=True, tag=1):
    """What a Delta told; of its tokens, how many."""

    index: int
    text: str
    tokens: int
    logprobs: list[TokenLogprob]

    def event(self) -> Delta:
        """Return the event that it was made of, without the tokens' ids."""
        return Delta(0, self.index, self.text, [0] * self.tokens, self.logprobs)


class End(_Line, frozen=True, tag=2):
    """What Finished told, but for its times."""

    index: int
    reason: str
    tokens: int
    made: Made | None
    stop: str | None = None
    ended: Ended | None = None

    def event(self) -> Finished:
        """Return the event that it was made of, with no time taken."""
        timings = Timings(0.0, 0.0, 0.0, 0, 0, self.tokens)
        told = Finished(0, self.index, self.reason, timings, self.stop, self.made)
        return replace(told, ended=self.ended)


Line = Begin | Piece | End


class KeptContent(msgspec.Struct, frozen=True, array_like=True):
    """All answers to one request, why their model was chosen, and their cost.

    `energy_j` and `seconds` are those of the request when it was made; `simulated` is the simulated
    board whose joules they are, None: a real one's.
    """

    route: str | None
    mode: Mode | None
    energy_j: float | None
    quality: Quality
    seconds: float
    lines: list[Line]
    simulated: str | None = None
    reading: Reading | None = None  # None: all of the text is content

    def on(self, simulated: str | None) -> KeptContent:
        """Return the content for a board, without the joules if another board took them."""
        if self.simulated == simulated:
            return self
        return msgspec.structs.replace(
            self, energy_j=None, quality="unresolved", simulated=simulated
        )


def line(call: int, event: Started | Delta | Finished) -> Line:
    """Return what to keep of an event of a call."""
    if isinstance(event, Started):
        return Begin(call, event.prompt_tokens, event.cached_tokens)
    if isinstance(event, Delta):
        return Piece(call, event.index, event.text, len(event.tokens), event.logprobs)
    tokens = event.timings.completion_tokens
    return End(call, event.index, event.reason, tokens, event.made, event.stop, event.ended)


def _joined(one: Line, next: Piece) -> Piece | None:
    """Return two pieces of an answer as one; None where clients may not take so long an event."""
    if not isinstance(one, Piece) or one.logprobs or next.logprobs or len(one.text) > _LONG:
        return None
    return replace(one, text=one.text + next.text, tokens=one.tokens + next.tokens)


def texts(lines: Sequence[Line]) -> str:
    """Return the texts of kept answers, one after the other."""
    pieces = [line for line in lines if isinstance(line, Piece)]
    pieces.sort(key=lambda piece: (piece.call, piece.index))
    return "".join(piece.text for piece in pieces)


DECODER = msgspec.msgpack.Decoder(KeptContent)


class Topic(NamedTuple):
    """What a request asks, and the digest of all else that it says."""

    scope: bytes
    text: str


@dataclass
class AskedQuestion:
    """A question as it is looked for, and what its embedding took.

    `rival` is the near question whose answer was not given, with that answer: the new answer is
    compared with it.
    """

    question: Question
    cost: Cost
    rival: tuple[Neighbour, str] | None = None


@dataclass(frozen=True)
class Place:
    """Where the answer to a request is kept, or is to be, and by which models it may be.

    `client` is None where it is not known. `terms` are those of the request. `topic` is its
    question, None: only an answer to the very same question will do.
    """

    key: bytes
    client: str | None
    terms: Terms
    cards: Sequence[ModelCard]
    topic: Topic | None = None

    @property
    def shared(self) -> bool:
        """Whether the answer that is being made to another request will do as well.

        Who has no time to lose does not wait for it.
        """
        return self.terms.cache not in ("refresh", "only") and self.terms.latency_s is None


class Found(msgspec.Struct, frozen=True):
    """An answer that a model gave `age_s` seconds ago, as it is kept and what that says.

    `near` has the question where that was another one.
    """

    card: ModelCard
    age_s: float
    kept: Kept
    content: KeptContent
    near: Neighbour | None = None
    cost: Cost = _NOTHING  # of finding it

    def told(self) -> dict[str, Any]:
        """Return what clients are told of it; see Origin."""
        content = self.content
        return {
            "cache": "exact" if self.near is None else "semantic",
            "cache_age_s": self.age_s,
            "cache_energy_j": content.energy_j and round(content.energy_j, 4),
            "cache_energy_quality": content.quality,
            "cache_seconds": round(content.seconds, 3),
            "simulated": content.simulated or UNSET,
            **({} if self.near is None else _told(self.near)),
        }


class Record:
    """Notes the events of one request, and has its answer kept."""

    def __init__(
        self,
        cache: ExactCache,
        place: Place,
        clock: Callable[[], float],
        nearby: SemanticCache | None,
        asked: AskedQuestion | None,
    ) -> None:
        """`asked` is the question, where it is to be remembered by what it means."""
        self._cache, self._place, self._clock = cache, place, clock
        self._nearby, self._asked = nearby, asked
        self.lines: list[Line] = []
        self._latest: dict[tuple[int, int], int] = {}  # piece of each answer, by its place

    def take(self, call: int, event: Started | Delta | Finished) -> None:
        """Note an event; text that follows text is one piece, for all of it is told at once."""
        new = line(call, event)
        if isinstance(new, Piece):
            place = self._latest.get((call, new.index))
            joined = None if place is None else _joined(self.lines[place], new)
            if place is not None and joined is not None:
                self.lines[place] = joined
                return
            self._latest[call, new.index] = len(self.lines)
        self.lines.append(new)

    def close(self, plan: Plan, tally: Tally, reading: Reading | None = None) -> None:
        """Keep the complete answer and how it is read, unless it is less than was asked for.

        That is so where another model stood in, or the request's allowance ended it.
        """
        costs = tally.costs
        if plan.asked is not None or plan.less is not None or costs.why is not None:
            return
        content = KeptContent(
            route=plan.why,
            mode=None if plan.mode is None else replace(plan.mode, prompt=None),
            energy_j=costs.energy_j,
            quality=costs.quality,
            seconds=max((cost.seconds for cost in costs.taken), default=0.0),
            lines=self.lines,
            simulated=costs.simulated,
            reading=reading,
        )
        kept = Kept(
            key=self._place.key,
            model=plan.model,
            client=self._place.client or NOBODY,
            made=self._clock(),
            content=msgspec.msgpack.encode(content),
        )
        self._cache.keep(kept)
        if self._nearby is not None and self._asked is not None:
            self._nearby.keep(kept, self._asked.question)
            if self._asked.rival is not None:
                from edge_rt.generation.cache.semantic import Comparison

                asked, new = self._asked.question, texts(self.lines)
                self._nearby.compare(Comparison(asked, kept, new, *self._asked.rival))


def _told(neighbour: Neighbour) -> dict[str, Any]:
    text = neighbour.text
    return {
        "cache_question": text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…",
        "cache_cosine": round(neighbour.cosine, 4),
        "cache_doubt": round(neighbour.doubt, 4),
    }
