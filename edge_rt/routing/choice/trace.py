"""Why a request was served as it was."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import msgspec

from edge_rt.core.errors import RequestError
from edge_rt.core.routing import Prefer
from edge_rt.routing.choice.candidate import Candidate
from edge_rt.routing.choice.rules import Rule
from edge_rt.routing.quality.difficulty.assessment import Assessment

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

    `within` tells whether the chosen one keeps all limits on seconds, joules and watts; where none
    does, it is the one that comes nearest, or of which nothing is known. `explores` tells whether
    it was chosen in order to learn more of it: to measure it again, or as a trial, foretold to take
    `extra_j` more than what would else have been chosen. `why` is the whole choice in one sentence.
    `phi` is the chip's thermal yield at its present temperature, as the chosen one would run, and
    `phi_source` tells whether the chip's leakage was measured for that, or is assumed.
    `quality` is the floor that was asked for, `assessed` where the qualities of candidates come
    from. `simulated` is the simulated board whose figures these are, None: a real one's.
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
        """None where nothing can serve the request."""
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
