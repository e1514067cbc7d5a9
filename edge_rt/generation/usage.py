"""What a request used: OpenAI's `usage` and our `edge` beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.core.chat_format import FormatSource
from edge_rt.core.decoding import CheckCost, ConstraintCost, Made
from edge_rt.core.events import Delta, Ended, Finished, Started, Timings
from edge_rt.core.reports.board import Quality
from edge_rt.core.requests import Cost, Costs, Event, PowerQuality
from edge_rt.core.routing import SINGLE
from edge_rt.core.trace import Trace
from edge_rt.generation.samples.terms import SamplesReport


class PromptTokensDetails(msgspec.Struct, frozen=True):
    """How much of the prompt did not have to be computed."""

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as OpenAI counts them: the prompt once, however many answers it had."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class LeftOut(msgspec.Struct, frozen=True):
    """What a model did not read of a chat that was too long for it."""

    tokens: int
    """Tokens of the prompt that it read."""
    of_tokens: int | None
    """Tokens of the prompt with all messages; null where they were too many to be counted."""
    messages: list[str]
    """Numbers of the messages that were left out, whole or in part; the first message is 0."""
    why: str = "these have least in common with the last message, and not all could be read"


class Origin(msgspec.Struct, frozen=True):
    """Which model answers, and what runs it: all of `Edge` that is known at the start."""

    model: str
    """Id of the model that answers."""
    backend: str
    """Library that runs it."""
    asked: str | None
    """The model that was asked for, where another one stands in."""
    why: str | None
    """Why another model stands in, or why the answer was ended early."""
    route: str | None
    """Why this model was chosen, where there were several to choose from."""
    mode: str = SINGLE
    """Decoding mode."""
    partner: str | None = None
    """Id of the smaller model that helped."""
    threads: int | UnsetType = UNSET
    """Threads that were chosen, where they are fewer than may be used. A pass that this answer
    shares with others has the threads of the one that takes most."""
    tools: FormatSource | UnsetType = UNSET
    """Where the format of tool calls comes from, if the request has tools: the model's chat
    template, the table of known families, or `generic`, which a system message explains."""
    left_out: LeftOut | UnsetType = UNSET
    """What was left out of a chat that was too long."""
    cache: Literal["exact", "semantic"] | UnsetType = UNSET
    """Whether the answer is a cached one, to the same question or to another one."""
    cache_age_s: float | UnsetType = UNSET
    """Seconds since the cached answer was made."""
    cache_energy_j: float | UnsetType | None = UNSET
    """Joules that it took then; joules of another board, such as a simulated one, are left
    out."""
    cache_energy_quality: Quality | UnsetType = UNSET
    """Quality of these joules."""
    cache_seconds: float | UnsetType = UNSET
    """Seconds that it took then."""
    cache_question: str | UnsetType = UNSET
    """Beginning of the other question."""
    cache_cosine: float | UnsetType = UNSET
    """How near the embedding of that question lies."""
    cache_doubt: float | UnsetType = UNSET
    """Upper estimate of the probability that the answer is wrong for this question."""
    simulated: str | UnsetType = UNSET
    """Id of the simulated board whose joules, watts and degrees these are; absent for a real
    board."""


class Constrained(msgspec.Struct, frozen=True):
    """What the constraint took, all answers together."""

    compile_ms: float
    """Milliseconds that compiling it took; 0 where that was done for an earlier request."""
    mask_ms: float
    """Milliseconds for finding the tokens that may come next, mostly while the model computed."""
    wait_ms: float
    """Milliseconds of these in which the answer had to wait."""
    forced_tokens: int
    """Tokens that were written without asking the model, since no others could come."""


class Checked(msgspec.Struct, frozen=True):
    """What the checker took, all answers together."""

    calls: int
    """Texts that it judged."""
    messages: int
    """Messages in which they were sent to it."""
    check_ms: float
    """Milliseconds until they were answered."""
    log_weights: list[float | None]
    """For each answer the natural logarithm of its weight. The weight estimates, without bias, the
    product of the probabilities that all acceptable tokens had at each step; null at temperature
    0."""


class Edge(Origin, frozen=True, kw_only=True):
    """Which model answered, what it cost and where the time went, in seconds.

    A figure that is not known is null, never 0.
    """

    energy_j: float | None
    """Joules that the request added to what the board draws anyway."""
    energy_quality: Quality
    """Quality of these joules."""
    power_w: float | None
    """Mean power of the whole board meanwhile; it may be known where joules are not."""
    power_quality: PowerQuality | None
    """Quality of these watts."""
    temp_c: float | None
    """Temperature of the hottest zone at the end."""
    queue_s: float
    """Seconds in the queue."""
    prefill_s: float
    """Seconds in which the prompt was read."""
    decode_s: float
    """Seconds in which the answer was written."""
    cached_tokens: int
    """Tokens of the prompt that were not computed again."""
    id: str | UnsetType = UNSET
    """Id of the answer in Ollama's API, by which its trace is found."""
    latency_s: float | UnsetType = UNSET
    """Seconds from the arrival of the request to the end of its last answer."""
    warnings: list[str] | UnsetType = UNSET
    """What of the request was not done as asked, and what makes answers slow; the headers
    `X-Edge-Warning` say the same."""
    scores: Literal["cosine", "rerank"] | UnsetType = UNSET
    """What the scores of `/v1/rerank` are: cosines between the vectors of an embedding model, or
    what a model that ranks says of question and document together."""
    tokens_per_s: float | None
    """Speed of decoding, all answers together; null if the prompt's own pass was the only one."""
    route_trace: Trace | UnsetType = UNSET
    """The choice of the model, if `trace` was set."""
    small_tokens: int | UnsetType = UNSET
    """Tokens of the smaller model, in other modes than single; so are the next five."""
    large_tokens: int | UnsetType = UNSET
    """Tokens of the larger model."""
    switches: int | UnsetType = UNSET
    """Changes from one model to the other."""
    catch_up_tokens: int | UnsetType = UNSET
    """Tokens that one model wrote and the other had to read."""
    accepted_tokens: int | UnsetType = UNSET
    """Drafted tokens that were kept."""
    rejected_tokens: int | UnsetType = UNSET
    """Drafted tokens that were not."""
    large_share: float | UnsetType = UNSET
    """Share of the tokens that the larger model wrote, where a gate decided."""
    threshold: float | UnsetType = UNSET
    """What the gate came to hold its measure against."""
    restored_tokens: int | UnsetType = UNSET
    """Cached tokens of the prompt that came from the disk."""
    constraint: Constrained | UnsetType = UNSET
    """What `response_format`, `grammar`, `edge.regex` or `edge.choice` took, where one is
    given."""
    check: Checked | UnsetType = UNSET
    """What `edge.check` took, where it is given."""
    samples: SamplesReport | UnsetType = UNSET
    """The samples, where `edge.samples` or `best_of` asks for them."""
    ended: list[Ended] | UnsetType = UNSET
    """How each answer ended, with `edge.fit`: `complete` by itself; `closed` with its final answer,
    written last; behind a `sentence`; or `cut` in the middle of one."""


class Tally:
    """Adds up the events of one request.

    Answers run side by side, so of their times the longest counts and of their tokens the sum.
    """

    def __init__(self, calls: int = 1) -> None:
        """Count the cost of `calls` calls; each tells its cost once."""
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
        self.constraint: ConstraintCost | None = None
        self.checks: dict[tuple[int, int], CheckCost] = {}  # by call and answer
        self.endings: dict[tuple[int, int], Ended] = {}

    def take(self, event: Event, call: int = 0) -> None:
        """Book one event of that call."""
        if isinstance(event, Finished) and event.check is not None:
            self.checks[call, event.index] = event.check
        if isinstance(event, Finished) and event.ended is not None:
            self.endings[call, event.index] = event.ended
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
        """Return the sums in OpenAI's shape."""
        total = self.prompt_tokens + self.completion_tokens
        details = PromptTokensDetails(self.cached_tokens)
        return Usage(self.prompt_tokens, self.completion_tokens, total, details)

    def edge(
        self,
        origin: Origin,
        trace: Trace | None = None,
        before: Sequence[Cost] = (),
        *,
        latency_s: float | UnsetType = UNSET,
        warnings: list[str] | UnsetType = UNSET,
    ) -> Edge:
        """Return the costs and times in our shape, with what it cost `before` the calls."""
        costs = self.costs.after(before) if before else self.costs
        reasons = [why for why in (origin.why, costs.why) if why is not None]
        told: dict[str, Any] = msgspec.structs.asdict(origin)
        told["why"] = "; ".join(reasons) or None
        told["simulated"] = costs.simulated or origin.simulated
        if self.made is not None:
            told |= self.made.named() | self.made.gated
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
            latency_s=latency_s,
            warnings=warnings,
            tokens_per_s=_rounded(self.tokens_per_s, 3),
            route_trace=trace or UNSET,
            restored_tokens=self.restored_tokens or UNSET,
            constraint=UNSET if self.constraint is None else _constrained(self.constraint),
            check=_checked(self.checks) if self.checks else UNSET,
            ended=[self.endings[place] for place in sorted(self.endings)] or UNSET,
        )

    def _finished(self, event: Finished) -> None:
        self.finished_answers += 1
        self.decoded_tokens += event.timings.completion_tokens - 1
        self.queue_s = max(self.queue_s, event.timings.queue_s)
        self.prefill_s = max(self.prefill_s, event.timings.prefill_s)
        self.decode_s = max(self.decode_s, event.timings.decode_s)
        if event.made is not None:
            self.made = event.made if self.made is None else self.made.plus(event.made)
        if event.constraint is not None:
            before = self.constraint
            self.constraint = event.constraint if before is None else before.plus(event.constraint)


def _constrained(cost: ConstraintCost) -> Constrained:
    compile_ms, mask_ms = round(1000 * cost.compile_s, 3), round(1000 * cost.mask_s, 3)
    return Constrained(compile_ms, mask_ms, round(1000 * cost.wait_s, 3), cost.forced)


def _checked(costs: Mapping[tuple[int, int], CheckCost]) -> Checked:
    found = [costs[place] for place in sorted(costs)]
    return Checked(
        calls=sum(cost.calls for cost in found),
        messages=sum(cost.trips for cost in found),
        check_ms=round(1000 * sum(cost.seconds for cost in found), 3),
        log_weights=[_rounded(cost.log_weight, 6) for cost in found],
    )


def tallied(timings: Timings, cost: Cost) -> Tally:
    """Return what a request took that ends in one answer."""
    tally = Tally()
    tally.take(Started(0, timings.prompt_tokens, 0))
    tally.take(cost)
    tally.take(Finished(0, 0, "stop", timings))
    return tally


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
