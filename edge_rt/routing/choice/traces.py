"""The latest traces."""

from __future__ import annotations

from collections import OrderedDict

from edge_rt.core.errors import RequestError
from edge_rt.core.trace import Trace

KEPT = 256  # traces


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
        """Return the trace of a request; raises RequestError where there is none any more."""
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
