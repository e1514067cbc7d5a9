"""The ways to serve a request that were considered, and why it was served as it was."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_rt.core.routing import Basis, Prefer, RunConfig

Rule = Literal[
    "guard",
    "mode",
    "tokens",
    "context",
    "threads",
    "memory",
    "in_use",
    "latency_s",
    "energy_j",
    "power_w",
]
"""What speaks against a candidate."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and its figures for one request; None: not known.

    `bytes` is the size of its file, `quality` its published figure, and `cpq` the memory pressure
    with it loaded. `seconds` go from now to the last token, loading included, `energy_j` is what
    that adds to the idle draw, and `power_w` the board's mean; `unpredicted` is why there are no
    such figures. Half of all answers come within the error ratios. `mask_wait_s` is as in
    Prediction.
    """

    setting: RunConfig
    backend: str
    quantisation: str
    context: int
    bytes: float
    quality: float | None
    cpq: float | None  # None: models may have no memory at all
    loaded: bool
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    seconds: float | None = None
    energy_j: float | None = None
    power_w: float | None = None
    error_ratio: float | None = None
    energy_error_ratio: float | None = None
    basis: Basis | None = None
    mask_wait_s: float = 0.0
    unpredicted: str | None = None


State = Literal["chosen", "able", "dropped"]


class Considered(msgspec.Struct, frozen=True):
    """A candidate, what became of it, and why in one sentence; `rule` is what dropped it."""

    candidate: Candidate
    state: State
    reason: str
    rule: Rule | None = None


class Trace(msgspec.Struct, frozen=True):
    """Every candidate for a request, the chosen one first, then the others that are able.

    `within` tells whether the chosen one keeps all limits on seconds, joules and watts; else it
    comes nearest. `why` is the choice in one sentence. `quality` is the floor of published figures.
    `simulated` is the simulated board, None: a real one.
    """

    model: str
    prefer: Prefer
    within: bool
    why: str
    considered: list[Considered]
    quality: float = 0.0
    simulated: str | None = None

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that was chosen; None where nothing can serve the request."""
        first = self.considered[0] if self.considered else None
        return first.candidate if first is not None and first.state == "chosen" else None
