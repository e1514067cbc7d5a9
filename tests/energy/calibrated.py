"""A model and a calibration of it, for tests of predictions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from edge_rt.board_model.calibration import ModelCalibration, PhasePowers
from edge_rt.board_model.model_cost import BoardFigures
from edge_rt.board_model.roofline import Ceilings, ModelShape
from edge_rt.board_model.runtime import Runtime
from edge_rt.board_model.watts import Watts

SMOL = ModelShape(
    layers=30,
    heads=9,
    kv_heads=3,
    head_dim=64,
    embedding=576,
    parameters=134_515_008,
    file_bytes=98_362_432,
    vocab=49_152,
    kv_bytes_per_number=1.53,
)
# Of SmolLM2 with one thread, as timed.
TIMED = Runtime(step_s=0.0109, token_s=5.0e-3, step_context_s=4.3e-6, pair_s=3.8e-6)
DRAWS = PhasePowers(idle_w=3.0, prefill_w=5.0, decode_w=4.5, quality="measured")
DAY = datetime(2026, 11, 25, tzinfo=timezone.utc)
BOARD = BoardFigures(4, Ceilings(80e9, 10e9), watts=Watts(3.0, 6.0, 6.0))


def calibration(
    *,
    model: str = "smol",
    threads: int = 1,
    gpu_layers: int = 0,
    kv_type: str = "q8_0/f16",
    days: int = 0,
    promise: Runtime = TIMED,
    draws: PhasePowers | None = DRAWS,
    sweep: Ceilings | None = None,
) -> ModelCalibration:
    """One of `days` after the first day."""
    return ModelCalibration(
        board="raspberry-pi-5",
        model=model,
        sha256="ab" * 32,
        backend="llama",
        threads=threads,
        gpu_layers=gpu_layers,
        kv_type=kv_type,
        calibrated_at=DAY + timedelta(days=days),
        promise=promise,
        error_ratio=0.04,
        draws=draws,
        sweep=sweep,
    )
