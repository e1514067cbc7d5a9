"""From measured answers to a calibration, and how it is told to clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from itertools import accumulate
from statistics import median

import msgspec

from edge_rt.board_model.calibration import ModelCalibration, PhasePowers
from edge_rt.board_model.roofline import ModelShape, reached
from edge_rt.board_model.runtime import Runtime, fit_error, fit_runtime
from edge_rt.core.reports.planning import Calibrated, Fitted
from edge_rt.core.routing import LoadConfig, Served
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.models.record import ModelRecord
from edge_rt.thermal.leakage import LeakageFit

LEAST_S = 0.5  # of each phase, without which its power is not known
_USUAL = 256  # tokens


def calibration(
    board: str,
    entry: ModelRecord,
    load: LoadConfig,
    threads: int,
    measured: Sequence[Measurement],
    shape: ModelShape,
    date: datetime,
) -> ModelCalibration:
    """Fit a calibration to the runs of one thread count; raise ValueError if some are missing."""
    runs = [m.served for m in measured]
    runtime = fit_runtime(runs)
    return ModelCalibration(
        board=board,
        model=entry.id,
        sha256=entry.sha256,
        backend=entry.backend,
        threads=threads,
        gpu_layers=load.gpu_layers,
        kv_type=load.kv_type,
        calibrated_at=date,
        promise=runtime,
        error_ratio=fit_error(runtime, runs),
        draws=_draws(measured, runtime),
        sweep=reached(shape, runtime),
    )


def _draws(measured: Iterable[Measurement], promise: Runtime) -> PhasePowers | None:
    """Return the powers of the phases: joules over seconds of all runs whose joules are known."""
    known = [m for m in measured if m.prefill_j is not None and m.idle_w is not None]
    prefill_s = sum(m.served.prefill_s for m in known)
    decode_s = sum(m.served.decode_s for m in known)
    if min(prefill_s, decode_s) < LEAST_S:
        return None
    idle_w = sum((m.idle_w or 0.0) * m.seconds for m in known) / sum(m.seconds for m in known)
    draws = PhasePowers(
        idle_w=idle_w,
        prefill_w=idle_w + _watts([(m.prefill_j or 0.0, m.served.prefill_s) for m in known]),
        decode_w=idle_w + _watts([(m.decode_j or 0.0, m.served.decode_s) for m in known]),
        quality="measured" if all(m.quality == "measured" for m in known) else "modelled",
    )
    errors = [
        _energy_error(m.served, m.served.energy_j, draws, promise)
        for m in known
        if m.served.energy_j
    ]
    return msgspec.structs.replace(draws, error_ratio=median(errors) if errors else None)


def _watts(spent: Sequence[tuple[float, float]]) -> float:
    """Return the power that half of the time lies below, of runs as joules and seconds.

    The mean of all would follow a single run that another program disturbed.
    """
    rates = sorted((joules / seconds, seconds) for joules, seconds in spent if seconds > 0.0)
    half_s = 0.5 * sum(seconds for _, seconds in rates)
    passed = accumulate(seconds for _, seconds in rates)
    return next(watts for (watts, _), s in zip(rates, passed, strict=True) if s >= half_s)


def _energy_error(served: Served, energy_j: float, draws: PhasePowers, promise: Runtime) -> float:
    context = served.prompt_tokens + served.completion_tokens / 2
    prefill_s = promise.prefill_s(served.prompt_tokens)
    decode_s = promise.decode_s(served.completion_tokens - 1, context)
    return abs(draws.watts.added_j(prefill_s, decode_s) / energy_j - 1.0)


def calibrated(
    board: str | None,
    found: Sequence[ModelCalibration],
    leakage: LeakageFit,
    note: str,
) -> Calibrated:
    """Return the calibrations for clients; what was reached is that of the most threads."""
    sweeps = [(c.threads, c.sweep) for c in found if c.sweep is not None]
    sweep = max(sweeps, key=lambda item: item[0])[1] if sweeps else None
    newest = max((c.calibrated_at for c in found), default=None)
    return Calibrated(
        board=board,
        date=newest and newest.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        flop_per_s=sweep and sweep.flop_per_s,
        bytes_per_s=sweep and sweep.byte_per_s,
        leakage_w=leakage.leakage.power_w(45.0),
        doubling_c=leakage.leakage.doubling_c,
        leakage_note=note,
        models=[
            _fitted(c)
            for c in sorted(found, key=lambda c: (c.model, c.gpu_layers, c.kv_type, c.threads))
        ],
        leakage_source=leakage.source,
    )


def _fitted(found: ModelCalibration) -> Fitted:
    promise, draws = found.promise, found.draws
    step_s = promise.step_s + _USUAL * promise.step_context_s
    return Fitted(
        model=found.model,
        backend=found.backend,
        threads=found.threads,
        gpu_layers=found.gpu_layers,
        kv_type=found.kv_type,
        prefill_tokens_per_s=_USUAL / promise.prefill_s(_USUAL),
        decode_tokens_per_s=1.0 / step_s if step_s > 0.0 else None,
        idle_w=draws and draws.idle_w,
        prefill_w=draws and draws.prefill_w,
        decode_w=draws and draws.decode_w,
        quality=draws.quality if draws else "unresolved",
        runtime_error=found.error_ratio,
        energy_error=draws and draws.error_ratio,
    )
