"""Fields that all dialects share: `edge`, thoughts, repetitions and samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.reports.governor import Amount
from edge_rt.core.requests import OWN_APP, Call, EmbedCall, ThinkLimit
from edge_rt.core.routing import DecodingRequest, Objectives, Prefer
from edge_rt.generation.samples.terms import SamplesTerms
from edge_rt.generation.tools.grammar import token_name
from edge_rt.routing.decoding_options import check_mode
from edge_rt.routing.quality import Level, floor_of

Choice = Annotated[str, Meta(min_length=1, max_length=4096)]
C = TypeVar("C", Call, EmbedCall)

Cached = Literal["use", "refresh", "off", "only"]
"""What a request wants of the cache: an answer from it or else one that is kept, a new one that is
kept, nothing, or an answer from it or else none.
"""

_EFFORTS: dict[str, int | None] = {"minimal": 128, "low": 512, "medium": 2048}  # tokens


class Allowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one request; those left out do not apply."""

    energy_j: Amount | None = None
    """Joules that all answers together may add to the idle draw; then they end as they are."""
    latency_s: Amount | None = None
    """Seconds from the arrival of the request to the end of its last answer."""

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.energy_j is not None or self.latency_s is not None


class TextAllowance(Allowance, frozen=True):
    """What the request may take, and which side of a text that is too long may be cut.

    `true` means the end; without it such a text fails the request.
    """

    truncate: bool | Literal["end", "start"] | None = None
    """Side at which a text that is too long is cut; `true` is the end. Default: it fails."""

    @property
    def side(self) -> str | None:
        """What is cut, "end" or "start"; None: nothing may be."""
        if isinstance(self.truncate, str):
            return self.truncate
        return "end" if self.truncate else None


class ThinkTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that the thoughts of one answer may take; then the answer begins."""

    tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """Most tokens."""
    energy_j: Amount | None = None
    """Most joules, those of reading the prompt among them."""


class ContextTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a chat its model reads."""

    tokens: Annotated[int, Meta(ge=64, le=2**31 - 1)]
    """Most tokens of the prompt."""


class FinalTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a final answer is written, at the end of all that is said on the way to it."""

    before: Annotated[str, Meta(min_length=1, max_length=256)]
    """What is written before it, such as `#### `."""
    regex: Annotated[str, Meta(min_length=1, max_length=4096)]
    """Regular expression that it matches, in the syntax of Rust's crate regex."""


Think = Literal["off", "on"] | ThinkTerms
"""Whether a model that can think does, and for how long."""


class Terms(Allowance, frozen=True):
    """What an answer may take, and how its model and decoding mode are chosen."""

    prefer: Prefer | None = None
    """What to choose by among the ways to run a model; `quality` takes the largest. Default:
    energy."""
    quality: Level | Annotated[float, Meta(ge=0, le=1)] | None = None
    """Least published figure of the model, where there is a choice. Default: `router.quality`."""
    trace: bool = False
    """Whether the answer has `route_trace`, which explains the choice."""
    cache: Cached | None = None
    """Use of the answer cache. Default: `use` where the answer is the same each time, else
    `off`."""
    mode: str | None = None
    """Decoding mode: `single`, `lookup`, `speculative` or `switch`. Default: the usual one of the
    model."""
    partner: str | None = None
    """Id of the smaller model that helps. Default: that of the model's pair."""
    large_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Share of the tokens that the larger model is to write, in the mode `switch`."""
    threshold: Annotated[float, Meta(ge=0)] | None = None
    """Mean entropy in bits up to which the smaller model writes, in the mode `switch`."""
    think: Think | None = None
    """Of models that think, whether they do, or the most that their thoughts may take. Default: as
    the model usually does."""
    regex: Annotated[str, Meta(min_length=1)] | None = None
    """Regular expression that the whole answer matches, in the syntax of Rust's crate regex."""
    context: bool | ContextTerms | None = None
    """Whether a chat that is longer than its model can read, or than so many tokens, loses the
    parts that its last message is least about; `edge.left_out` tells which. Otherwise such a
    chat fails. Default: `requests.context`."""
    pin: bool = False
    """Whether the engine keeps what it has read of the prompt longer than other prompts, as long as
    the model is loaded. It keeps the latest ones, in at most half of `engine.sequences`; a prompt
    that begins like an earlier one takes its place."""
    fit: bool | Literal["untold"] = False
    """Whether the answer is made to end within `energy_j`, `latency_s` and `max_tokens`: it gets as
    many tokens as are predicted to fit, thoughts half of them, and a chat's model is told how long
    it may be, unless `untold`. What must be cut ends with its `final` answer, or else with a
    sentence; `edge.ended` tells."""
    final: FinalTerms | None = None
    """How the answer ends: it is complete with this, and not before."""
    choice: Annotated[list[Choice], Meta(min_length=1, max_length=1024)] | None = None
    """Texts to choose the answer from."""
    check: Annotated[str, Meta(min_length=1)] | None = None
    """Name of the checker that judges the answer, one of `checks` in the configuration."""
    samples: SamplesTerms | None = None
    """How many samples are made, and which of them is the answer; see the guide to samples."""

    @property
    def decoding(self) -> DecodingRequest:
        """How tokens are to be decided on; raises RequestError for what cannot be."""
        request = DecodingRequest(self.mode, self.partner, self.large_share, self.threshold)
        check_mode(request)
        return request

    @property
    def objectives(self) -> Objectives:
        """What the choice of a model depends on."""
        quality = None if self.quality is None else floor_of(self.quality)
        return Objectives(self.prefer, self.latency_s, self.energy_j, quality)


def grant(
    calls: Sequence[C],
    allowance: Allowance | None,
    arrived_s: float,
    spent_j: float = 0.0,
    app: str = OWN_APP,
) -> list[C]:
    """Return the calls of one request, which came at `arrived_s`, with what each may take.

    It is of the application `app`, and so many joules of it were spent before.
    """
    calls = [replace(call, app=app) for call in calls]
    if allowance is None:
        return calls
    energy_j, latency_s = allowance.energy_j, allowance.latency_s
    share_j = None if energy_j is None else max(0.0, energy_j - spent_j) / len(calls)
    deadline_s = None if latency_s is None else arrived_s + latency_s
    return [replace(call, energy_j=share_j, deadline_s=deadline_s) for call in calls]


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


def think_of(think: Think | None, effort: Effort | None) -> Think | None:
    """Return what a request wants by `edge.think`, or else by `reasoning_effort`; None: nothing."""
    if think is not None or effort is None:
        return think
    if effort == "none":
        return "off"
    tokens = _EFFORTS.get(effort)
    return "on" if tokens is None else ThinkTerms(tokens)


def limit_of(think: Think | None, format: ChatFormat) -> ThinkLimit | None:
    """Return the limit of a call's thoughts; None: there is none."""
    thinking = format.thinking
    if thinking is None or not isinstance(think, ThinkTerms):
        return None
    token = token_name(thinking.end) if thinking.end in format.control else None
    return ThinkLimit(thinking.end, think.tokens, think.energy_j, token, thinking.behind)
