"""What routing asks of the rest of the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from edge_rt.core.requests import ModelCard, Plan
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.model_pool import Resident
from edge_rt.models.pair import Pair
from edge_rt.models.record import ModelRecord


class ModelHost(Protocol):
    """What finds models and has the engine load them."""

    def entry(self, model: str) -> ModelRecord:
        """One model; raises ModelNotFound. Resolves "default"."""
        ...

    def entries(self) -> list[ModelRecord]:
        """All models in the store."""
        ...

    def card(self, model: str) -> ModelCard:
        """A model as clients see it."""
        ...

    def plan_for(self, model: str) -> Plan:
        """Return the plan for `model` now, which a stand-in may answer for."""
        ...

    async def render(self, model: str, messages: list[dict[str, object]]) -> str:
        """The model's chat template over `messages`."""
        ...

    def pairs(self, large: str) -> Sequence[Pair]:
        """The pairs in which that model is the large one, the one to take first."""
        ...

    def resident(
        self, entry: ModelRecord, partner: ModelRecord | None = None, load: LoadConfig | None = None
    ) -> AbstractAsyncContextManager[Resident]:
        """`entry` and its partner in the engine's memory while the block runs; see ModelManager."""
        ...
