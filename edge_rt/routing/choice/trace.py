"""The ways to serve a request that were considered, and why it was served as it was."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import msgspec

from edge_rt.core.errors import RequestError
from edge_rt.core.routing import Basis, Prefer, RunConfig
from edge_rt.routing.quality.finder import Assessment
from edge_rt.routing.quality.learner import ArmEstimate

Rule = Literal[
    "pin",
    "guard",
    "mode",
    "quality",
    "tokens",
    "context",
    "threads",
    "memory",
    "in_use",
    "prediction",
    "latency_s",
    "energy_j",
    "power_w",
]
"""What speaks against a candidate."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and its figures for one request; None: not known.

    `seconds` go from now to the last token, loading included, `energy_j` is what that adds to the
    idle draw, and `power_w` the board's mean. `quality` is the probability that the answer is good
    enough, `cpq` the memory pressure with it loaded. Half of all answers come within the error
    ratios. `mask_wait_s` is as in Prediction. `age_s` is the time since it was measured. Figures
    are corrected by `learnt`, if any. `file` names the files behind its answers, as in Key.
    """

    setting: RunConfig
    backend: str
    quantisation: str
    context: int
    quality: float | None
    cpq: float | None  # None: models may have no memory at all
    loaded: bool
    age_s: float | None
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
    learnt: ArmEstimate | None = None
    mask_wait_s: float = 0.0
    file: str = ""


KEPT = 256  # traces

State = Literal["chosen", "front", "dominated", "dropped"]


class Considered(msgspec.Struct, frozen=True):
    """A candidate, what became of it, and why in one sentence; `rule` is what dropped it."""

    candidate: Candidate
    state: State
    reason: str
    rule: Rule | None = None


class Trace(msgspec.Struct, frozen=True):
    """Every candidate for a request, the chosen one first, then the front.

    `within` tells whether the chosen one keeps all limits on seconds, joules and watts; else it
    comes nearest, or nothing is known of it. `explores` tells whether it was chosen to learn more
    of it, which may take `extra_j` more than the best. `why` is the choice in one sentence. `phi`
    is the chip's thermal yield at its present temperature, `phi_source` whether its leakage was
    measured. `quality` is the floor asked for, `assessed` the source of qualities. `simulated` is
    the simulated board, None: a real one.
    """

    model: str
    prefer: Prefer
    within: bool
    explores: bool
    why: str
    considered: list[Considered]
    extra_j: float | None = None
    phi: float | None = None
    phi_source: Literal["measured", "assumed"] | None = None
    quality: float | None = None
    assessed: Assessment | None = None
    simulated: str | None = None

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that was chosen; None where nothing can serve the request."""
        first = self.considered[0] if self.considered else None
        return first.candidate if first is not None and first.state == "chosen" else None


class Traces:
    """The latest traces, by the ids of their requests."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def keep(self, request: str, trace: Trace) -> None:
        """Keep one, in place of an older one of the same request."""
        self._traces[request] = trace
        self._traces.move_to_end(request)
        while len(self._traces) > self._kept:
            self._traces.popitem(last=False)

    def get(self, request: str) -> Trace:
        """The trace of a request; raises RequestError where there is none any more."""
        trace = self._traces.get(request)
        if trace is None:
            raise RequestError(
                f"no trace of an answer {request!r:.80}: there are traces of the last {self._kept}"
                ' answers since the start for which a model was chosen (`-m auto`, "model": "auto")'
                ' or that asked for one ("edge": {"trace": true}), and of none from the cache',
                param="id",
                code="trace_not_found",
            )
        return trace
