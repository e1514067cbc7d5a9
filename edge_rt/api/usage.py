"""What a request used: OpenAI's `usage` and our `edge` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.api.costs import Costs
from edge_rt.api.service import Cost, Event, PowerQuality
from edge_rt.core.reports.board import Quality
from edge_rt.decoding.params import Doubt, Made
from edge_rt.engine.protocol import Delta, Finished, Started, Timings
from edge_rt.routing.setting import SINGLE
from edge_rt.routing.trace import Trace


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """How much of the prompt did not have to be computed."""

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as OpenAI counts them: the prompt once, however many answers it had."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class Origin(msgspec.Struct, frozen=True):
    """Which model answers, and what runs it: all of `Edge` that is known at the start.

    `asked` is the model that was asked for, where another one stands in. `why` says in a sentence
    why it does, or why the answer was ended early. `route` says why this model was chosen, where
    there were several to choose from. `mode` is how tokens are decided on, with the help of the
    smaller model `partner` in some. `threads` were chosen for it, where those are fewer than may
    be used: beside answers that take more it is computed with theirs.

    What was answered before to the very same question says so in `cache`: so many seconds ago,
    when it took joules and `cache_seconds`. "semantic" was the answer to another one, whose text
    `cache_question` has or begins; `cache_cosine` tells how near it lies, and `cache_doubt` how
    likely the answer is wrong for this one, as far as that can be estimated. Joules that another
    board took, such as a simulated one, are left out.

    `simulated` is the id of the simulated board whose joules, watts and degrees are told; it is
    absent for a real board.
    """

    model: str
    backend: str
    asked: str | None
    why: str | None
    route: str | None
    mode: str = SINGLE
    partner: str | None = None
    threads: int | UnsetType = UNSET
    cache: Literal["exact", "semantic"] | UnsetType = UNSET
    cache_age_s: float | UnsetType = UNSET
    cache_energy_j: float | UnsetType | None = UNSET
    cache_energy_quality: Quality | UnsetType = UNSET
    cache_seconds: float | UnsetType = UNSET
    cache_question: str | UnsetType = UNSET
    cache_cosine: float | UnsetType = UNSET
    cache_doubt: float | UnsetType = UNSET
    simulated: str | UnsetType = UNSET


class Doubted(msgspec.Struct, frozen=True):
    """How unsure the model was of the answer's first `tokens`; see decoding's Doubt."""

    tokens: int
    entropy: float
    margin: float


class Edge(Origin, frozen=True, kw_only=True):
    """Which model answered, what it cost and where the time went, in seconds.

    `energy_j` is what the request added to what the board draws anyway, `power_w` the whole
    board's mean meanwhile, `temp_c` the hottest zone's; each is None, never 0, where it is not
    known. Watts may be known where joules are not, so they have a quality of their own, which is
    None where they are. `tokens_per_s` is the speed of decoding, all answers together; None when
    nothing was decoded after the prompt's own pass. `route_trace` is there if it was asked for.
    Who wrote the answer, and what that took besides, is told of modes other than "single"; see
    Made. `doubt` is told of answers that were made now, as one model wrote all of them, and
    `restored_tokens` where some of the cached ones came from the disk.
    """

    energy_j: float | None
    energy_quality: Quality
    power_w: float | None
    power_quality: PowerQuality | None
    temp_c: float | None
    queue_s: float
    prefill_s: float
    decode_s: float
    cached_tokens: int
    tokens_per_s: float | None
    route_trace: Trace | UnsetType = UNSET
    small_tokens: int | UnsetType = UNSET
    large_tokens: int | UnsetType = UNSET
    switches: int | UnsetType = UNSET
    catch_up_tokens: int | UnsetType = UNSET
    accepted_tokens: int | UnsetType = UNSET
    rejected_tokens: int | UnsetType = UNSET
    doubt: Doubted | UnsetType = UNSET
    restored_tokens: int | UnsetType = UNSET


class Tally:
    """Adds up the events of one request.

    Answers run side by side, so of their times the longest counts and of their tokens the sum.
    """

    def __init__(self, calls: int = 1) -> None:
        """`calls` is how many calls the request makes; each tells its cost once."""
        self.costs = Costs(calls)
        self.prompt_tokens = 0
        self.cached_tokens = self.restored_tokens = 0
        self.completion_tokens = 0
        self.finished_answers = 0
        self.decoded_tokens = 0  # in decode_s; an answer's first came with the prompt's pass
        self.queue_s = 0.0
        self.prefill_s = 0.0
        self.decode_s = 0.0
        self.made: Made | None = None
        self.doubt: Doubt | None = None  # the largest of all answers

    def take(self, event: Event) -> None:
        """Book one event."""
        if isinstance(event, Delta):
            self.completion_tokens += len(event.tokens)
        elif isinstance(event, Started):
            self.prompt_tokens += event.prompt_tokens
            self.cached_tokens += event.cached_tokens
            self.restored_tokens += event.restored_tokens
        elif isinstance(event, Cost):
            self.costs.take(event)
        else:
            self._finished(event)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second of decoding; each answer's first token came with the prompt's pass."""
        decoded = self.decoded_tokens
        return decoded / self.decode_s if decoded > 0 and self.decode_s > 0 else None

    def usage(self) -> Usage:
        """The sums in OpenAI's shape."""
        total = self.prompt_tokens + self.completion_tokens
        details = PromptTokensDetails(self.cached_tokens)
        return Usage(self.prompt_tokens, self.completion_tokens, total, details)

    def edge(self, origin: Origin, trace: Trace | None = None, before: Sequence[Cost] = ()) -> Edge:
        """The costs and times in our shape, with what it cost `before` the calls."""
        costs = self.costs.after(before)
        reasons = [why for why in (origin.why, costs.why) if why is not None]
        told: dict[str, Any] = msgspec.structs.asdict(origin)
        told["why"] = "; ".join(reasons) or None
        told["simulated"] = costs.simulated or origin.simulated
        if self.made is not None:
            told |= self.made.named()
        return Edge(
            **told,
            energy_j=_rounded(costs.energy_j, 4),
            energy_quality=costs.quality,
            power_w=_rounded(costs.power_w, 3),
            power_quality=costs.power_quality,
            temp_c=_rounded(costs.temp_c, 1),
            queue_s=round(self.queue_s, 6),
            prefill_s=round(self.prefill_s, 6),
            decode_s=round(self.decode_s, 6),
            cached_tokens=self.cached_tokens,
            tokens_per_s=_rounded(self.tokens_per_s, 3),
            route_trace=trace or UNSET,
            doubt=UNSET if self.doubt is None else _doubted(self.doubt),
            restored_tokens=self.restored_tokens or UNSET,
        )

    def _finished(self, event: Finished) -> None:
        self.finished_answers += 1
        self.decoded_tokens += event.timings.completion_tokens - 1
        self.queue_s = max(self.queue_s, event.timings.queue_s)
        self.prefill_s = max(self.prefill_s, event.timings.prefill_s)
        self.decode_s = max(self.decode_s, event.timings.decode_s)
        if event.made is not None:
            self.made = event.made if self.made is None else self.made.plus(event.made)
        found = [doubt for doubt in (self.doubt, event.doubt) if doubt is not None]
        self.doubt = max(found, key=lambda doubt: doubt.score, default=None)


def _doubted(doubt: Doubt) -> Doubted:
    return Doubted(doubt.tokens, round(doubt.entropy, 4), round(doubt.margin, 4))


def tallied(timings: Timings, cost: Cost) -> Tally:
    """What a request took that ends in one answer."""
    tally = Tally()
    tally.take(Started(0, timings.prompt_tokens, 0))
    tally.take(cost)
    tally.take(Finished(0, 0, "stop", timings))
    return tally


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
