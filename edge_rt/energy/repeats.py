"""How an answer that was given again stands in the ledger."""

from __future__ import annotations

from edge_rt.core.requests import Repeat
from edge_rt.energy.ledger.record import UsageRecord


def booking(repeat: Repeat, ended: float, temp_c: float | None) -> UsageRecord:
    """Its line, at `ended` in Unix seconds: the engine did nothing, so it took no joules."""
    return UsageRecord(
        ended=ended,
        model=repeat.model,
        status="cached",
        prompt_tokens=repeat.prompt_tokens,
        cached_tokens=repeat.cached_tokens,
        completion_tokens=repeat.completion_tokens,
        seconds=repeat.seconds,
        busy_s=0.0,
        energy_j=0.0,
        prefill_j=0.0,
        decode_j=0.0,
        quality="modelled",
        power_w=None,
        temp_c=temp_c,
        saved_j=repeat.saved_j,
        answer_id=repeat.answer_id,
    )
