"""Requests for generation and for tasks, the plan that serves them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from edge_rt.core.decoding import CheckerSpec, Constraint, Mode, Sampling
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.core.images import Image
from edge_rt.core.reports.board import Quality
from edge_rt.core.routing import LoadConfig
from edge_rt.core.trace import Trace

PowerQuality = Literal["measured", "modelled"]


Kind = Literal["language", "embedding", "rerank", "tensors", "adapter"]
"""What a model does: write text, place or rank texts, or change a model that writes; "tensors" are
of an earlier version, and nothing runs them."""

LATEST = ":latest"
"""The tag that clients of Ollama put behind the name of a model; it may be left out."""

OWN_APP = "(edge_rt)"
"""The application of what no client asks for, such as prefixes that are read at start."""

_INSTANT_S = 1e-9  # what a call that took no time at all weighs


class Cost(msgspec.Struct, frozen=True):
    """What one call cost, told once, before the event that ends its last answer.

    `energy_j` is the part of the board's energy that this call added to what the board draws
    anyway; None, never 0, where it is not known ("unresolved").
    """

    energy_j: float | None
    quality: Quality
    power_w: float | None  # the board's mean power while it ran
    temp_c: float | None  # the hottest zone at its end
    seconds: float  # from its coming to the engine to its end
    power_quality: PowerQuality | None = None  # None: as if modelled, where power_w is known
    why: str | None = None  # why the call ended before its answers did, where it did
    simulated: str | None = None  # the simulated board whose joules these are; None: a real one's


Event = Started | Delta | Finished | Cost


class ModelCard(msgspec.Struct, frozen=True):
    """A model as clients see it."""

    id: str
    created: int  # Unix seconds at which it came into the store
    owned_by: str
    context: int  # most tokens of prompt and answer together
    loaded: bool
    size_bytes: int
    sha256: str  # of its file
    backend: str  # "llama.cpp"
    sampling: Sampling  # what a request that says nothing gets
    has_template: bool
    kind: Kind = "language"
    variant: str | None = None  # what pins it behind the "@" of a model's name; None: nothing does
    architecture: str = ""
    parameters: int = 0
    quantisation: str = ""
    licence: str = ""
    template: str | None = None  # of its chats, in Jinja
    sees: bool = False  # images


class LoadedModel(msgspec.Struct, frozen=True):
    """A model in memory; its sizes are upper estimates in bytes."""

    id: str
    size_bytes: int
    gpu_bytes: int
    context: int | None  # tokens; None: it takes no text
    leaves_in_s: float | None  # unless it is used or room is needed before; None: it stays


class Plan(msgspec.Struct, frozen=True):
    """The decision on a request: which model answers it, and how.

    Routing makes it, the call carries it to the engine, and the answer's trace tells it.
    """

    model: str  # the id of the model that answers
    prompt: str | list[int] = ""  # what it reads; of several prompts, the longest
    mode: Mode | None = None  # how it decodes, with the partner's id; None: by itself
    threads: int | None = None  # that compute it; None: all that the governor's limits allow
    load: LoadConfig | None = None  # how the model is to be loaded; None: as it is, or as usual
    asked: str | None = None  # the id of the model asked for, where another answers
    why: str | None = None  # why the router chose this
    less: str | None = None  # what is less than usual, and why
    trace: Trace | None = None  # all candidates, where the request asks for them
    alone: Plan | None = None  # for where a partner that nobody asked for cannot help


class Identity(msgspec.Struct, frozen=True):
    """A model that may answer for a name: everything that its answers depend on.

    `digest` differs for other files, settings, libraries or partners; `repeats` tells whether one
    seed always gives one answer. `timed` names the models, itself and its partners, whose chat
    templates read the clock.
    Of the card only what does not change from moment to moment is true.
    """

    card: ModelCard
    digest: bytes
    repeats: bool
    timed: tuple[str, ...]


class Repeat(msgspec.Struct, frozen=True):
    """An answer from the cache, for the ledger: its tokens, and the joules saved."""

    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float  # from its coming until now
    saved_j: float | None
    answer_id: str
    app: str = OWN_APP


class ThinkLimit(msgspec.Struct, frozen=True):
    """The most that the thoughts of an answer may take, whose prompt has begun them.

    They end with the marker `end`, which is forced where a limit is reached; `token` is its name in
    a grammar where it is a control token, None: it is text. `behind` comes before the answer.
    """

    end: str
    tokens: int | None = None
    energy_j: float | None = None
    token: str | None = None
    behind: str = "\n\n"
    closing: str = ""  # comes before the marker where that is forced


class FitLimit(msgspec.Struct, frozen=True):
    """The most `tokens` that an answer may have so that it keeps its joules and seconds.

    `final` is what the final answer must be, whose words `before` are written where there is no
    room for more; None: none is asked for. The answer goes on behind `opening`.
    """

    tokens: int
    final: Constraint | None = None
    before: str = ""
    opening: str = ""


class Call(msgspec.Struct, frozen=True):
    """One request for generation, dialect-free; `id` is that of its answer, as clients know it.

    Once it has taken `energy_j`, or `deadline_s` of the monotonic clock has come, its answers end
    as they are, with the reason "length". A model at work that is loaded in another way than the
    plan says stays as it is. `client`, `pin`, `suffix`, `user` and `images` are as in Generate.
    """

    plan: Plan
    prompt: str | list[int]
    special: bool  # control tokens in `prompt` are recognised (it came from a chat template)
    sampling: Sampling
    max_tokens: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    energy_j: float | None = None
    deadline_s: float | None = None
    client: str | None = None
    id: str = ""
    constraint: Constraint | None = None
    check: CheckerSpec | None = None
    thinking: ThinkLimit | None = None
    fit: FitLimit | None = None
    pin: bool = False
    suffix: str | None = None
    user: str | None = None
    app: str = OWN_APP
    images: tuple[Image, ...] = ()


class EmbedCall(msgspec.Struct, frozen=True):
    """One request for embeddings, or with a `query` for scores; see Embed.

    Without a vector for all it fails: see Call for what it may take.
    """

    model: str
    inputs: list[str | list[int]]
    truncate: str | None = None
    dimensions: int | None = None
    energy_j: float | None = None
    deadline_s: float | None = None
    app: str = OWN_APP
    query: str | None = None


class Costs:
    """Adds up the costs of a request's calls; what one of them does not know, the sum does not."""

    def __init__(self, calls: int) -> None:
        """Expect the costs of `calls` calls; while some are missing nothing is resolved."""
        self.taken: list[Cost] = []
        self._calls = calls

    def take(self, cost: Cost) -> None:
        """Book what one call cost."""
        self.taken.append(cost)

    def after(self, before: Sequence[Cost]) -> Costs:
        """Return these costs with those of `before`, which came before the calls."""
        both = Costs(self._calls + len(before))
        both.taken = [*before, *self.taken]
        return both

    @property
    def quality(self) -> Quality:
        """The worst of the calls' qualities."""
        unknown = len(self.taken) < self._calls or any(c.energy_j is None for c in self.taken)
        qualities = {cost.quality for cost in self.taken}
        if unknown or "unresolved" in qualities:
            return "unresolved"
        return "modelled" if "modelled" in qualities else "measured"

    @property
    def energy_j(self) -> float | None:
        """Joules of all calls; None unless every call's are known."""
        if self.quality == "unresolved":
            return None
        return sum(cost.energy_j or 0.0 for cost in self.taken)  # none is None here

    @property
    def power_w(self) -> float | None:
        """The board's mean power, each call's weighted by its seconds; None where none is known."""
        known = [
            (cost.power_w, max(cost.seconds, _INSTANT_S))
            for cost in self.taken
            if cost.power_w is not None
        ]
        weight = sum(seconds for _, seconds in known)
        return sum(power * seconds for power, seconds in known) / weight if known else None

    @property
    def power_quality(self) -> PowerQuality | None:
        """The mean power's quality: "modelled" if any part is; None where none is known."""
        known = {cost.power_quality for cost in self.taken if cost.power_w is not None}
        if not known:
            return None
        return "measured" if known == {"measured"} else "modelled"

    @property
    def why(self) -> str | None:
        """Why calls were ended before their answers did, where any was."""
        reasons = dict.fromkeys(cost.why for cost in self.taken if cost.why is not None)
        return "; ".join(reasons) or None

    @property
    def simulated(self) -> str | None:
        """The simulated board whose figures these are; None where none is."""
        return next((cost.simulated for cost in self.taken if cost.simulated is not None), None)

    @property
    def temp_c(self) -> float | None:
        """The highest temperature; None where none is known."""
        return max((c.temp_c for c in self.taken if c.temp_c is not None), default=None)
