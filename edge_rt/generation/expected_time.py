"""How long what the engine does is to take."""

from __future__ import annotations

import math
from collections.abc import Callable

from edge_rt.config.schema import Engine
from edge_rt.core.errors import EdgeError
from edge_rt.core.routing import Prediction
from edge_rt.engine.client import EngineClient, Request
from edge_rt.engine.protocol import Generate, RunTensors
from edge_rt.engine.supervisor.heartbeat import Doing
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.load_request import resident_name

UNKNOWN_S = 10.0  # a pass of which nothing is known

Least = Callable[[ModelRecord, int, int], Prediction | None]
"""What a prompt of which so many tokens are cached takes, with one token of the answer."""


class Expecting:
    """Goes by the runtime model of whatever model the pass is for."""

    def __init__(self, store: Store, engine: Engine, least: Least) -> None:
        self._store, self._engine, self._least = store, engine, least

    def seconds(self, client: EngineClient, doing: Doing) -> float:
        """What it is at work for now, at the longest.

        A load ends when ModelPool has it end: onnxruntime lets no other thread run meanwhile.
        """
        if client.loading:
            return math.inf
        requests = {id: client.request(id) for id in doing.requests}
        return max((self._one(one, doing.tokens) for one in requests.values()), default=0.0)

    def _one(self, request: Request | None, tokens: int) -> float:
        if isinstance(request, RunTensors):
            return request.limit_s or UNKNOWN_S
        entry = self._entry(request.model) if isinstance(request, Generate) else None
        if entry is None:
            return UNKNOWN_S
        context = min(self._engine.context, entry.summary.context_train)
        found = self._least(entry, context, max(0, context - max(1, tokens)))
        seconds = UNKNOWN_S if found is None else found.prefill_s
        # onnxruntime loads a model again in the first pass with another number of threads.
        return max(seconds, UNKNOWN_S) if entry.backend == "onnx" else seconds

    def _entry(self, name: str) -> ModelRecord | None:
        try:
            return next((e for e in self._store.entries() if resident_name(e) == name), None)
        except EdgeError:
            return None
