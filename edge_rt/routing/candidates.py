"""Candidates of a plan, with predicted figures and those of a run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_rt.core.limits import Limits
from edge_rt.core.reports.planning import PlanCandidate, Tried
from edge_rt.core.routing import (
    SINGLE,
    USUAL_TOKENS,
    LoadConfig,
    Prediction,
    RequestTokens,
    Unpredicted,
)
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.governor.board_heat import Heat
from edge_rt.models.record import ModelRecord
from edge_rt.routing.decoding_options import ALONE, DecodingOption
from edge_rt.routing.variants import Variants

LEAST_DUTY = 0.02  # nothing is paced lower


def tried(came: Measurement, predicted: PlanCandidate) -> Tried:
    """Return what a run took, and how far off its prediction was."""
    served = came.served
    return Tried(
        predicted=predicted,
        prompt_tokens=served.prompt_tokens,
        cached_tokens=served.cached_tokens,
        completion_tokens=served.completion_tokens,
        quality=came.quality,
        seconds=came.seconds,
        prefill_s=came.timings.prefill_s,
        decode_s=came.timings.decode_s,
        energy_j=served.energy_j,
        total_j=came.total_j,
        power_w=came.power_w,
        end_temp_c=came.temp_c,
        seconds_error=_error(predicted.seconds, came.seconds),
        energy_error=_error(predicted.energy_j, served.energy_j),
        temp_error_c=_warmer_c(predicted.end_temp_c, came.temp_c),
    )


def failed(candidate: PlanCandidate, why: str) -> Tried:
    """Return that a candidate could not be run, and why."""
    return Tried(
        predicted=candidate,
        prompt_tokens=candidate.prompt_tokens,
        cached_tokens=0,
        completion_tokens=0,
        quality="unresolved",
        failure=why,
    )


def _error(predicted: float | None, came: float | None) -> float | None:
    return predicted / came - 1.0 if predicted is not None and came else None


def _warmer_c(predicted_c: float | None, came_c: float | None) -> float | None:
    return None if predicted_c is None or came_c is None else predicted_c - came_c


class Candidates:
    """Makes candidates of predictions, at the limits of the governor and the heat of now."""

    def __init__(self, forecaster: Forecaster, heat: Heat, variants: Variants) -> None:
        self._forecaster, self._heat, self._variants = forecaster, heat, variants

    def make(
        self,
        entry: ModelRecord,
        threads: int,
        tokens: RequestTokens,
        limits: Limits,
        option: DecodingOption = ALONE,
        *,
        constrained: bool = False,
    ) -> PlanCandidate:
        """Return the candidate of a request.

        It is what `entry` takes by itself, also where `option` has a partner help it, once the
        governor has all work done with so many threads, as it is loaded, or usually is.
        """
        load = self._variants.load_config(entry)
        duty = self.duty(entry, threads, tokens, limits, load)
        found = self._forecaster.predict(
            entry, threads, *tokens, duty, load, constrained=constrained
        )
        if isinstance(found, Unpredicted):
            return nothing(entry, threads, tokens, found.reason, option)
        heat = None if found.power_w is None else self._heat.forecast(found.power_w, found.seconds)
        errors = (found.error_ratio, found.energy_error_ratio or 0.0)
        return msgspec.structs.replace(
            nothing(entry, threads, tokens, "", option),
            seconds=found.seconds,
            prefill_s=found.prefill_s,
            decode_s=found.decode_s,
            energy_j=found.energy_j,
            total_j=found.total_j,
            power_w=found.power_w,
            end_temp_c=heat and heat.temp_c,
            band_c=heat and heat.band_k,
            error_ratio=max(errors),
            basis=found.basis,
            mask_wait_s=found.mask_wait_s if constrained else None,
        )

    def usual(self, entry: ModelRecord, threads: int) -> Prediction | Unpredicted:
        """Return what a usual answer of `entry` by itself takes at full speed."""
        load = self._variants.load_config(entry)
        return self._forecaster.predict(entry, threads, *USUAL_TOKENS, 1.0, load)

    def speed_left(self, entry: ModelRecord, limits: Limits) -> float:
        """Return the speed of `entry` at the present limits over that without a cap, 0 to 1.

        A cap takes it by pauses, and by threads that it forbids.
        """
        threads, cores = limits.threads, self._forecaster.cores
        duty = self.duty(entry, threads, USUAL_TOKENS, limits, None)
        if limits.bound_by is None or threads >= cores:
            return duty
        full, now = self.usual(entry, cores), self.usual(entry, threads)
        if isinstance(full, Unpredicted) or isinstance(now, Unpredicted):
            return duty
        return min(1.0, duty * full.decode_s / now.decode_s)

    def predict(
        self,
        entry: ModelRecord,
        threads: int,
        tokens: RequestTokens,
        limits: Limits,
        load: LoadConfig | None = None,
        *,
        constrained: bool = False,
    ) -> Prediction | Unpredicted:
        """Return what an answer of `entry` by itself takes at the present limits.

        `load` is how it is loaded, None: as usual. The duty is the one in force, also for fewer
        threads.
        """
        duty = limits.duty
        if duty < LEAST_DUTY:
            duty = self.duty(entry, threads, tokens, limits, load)
        return self._forecaster.predict(
            entry, threads, *tokens, duty, load, constrained=constrained
        )

    def duty(
        self,
        entry: ModelRecord,
        threads: int,
        tokens: RequestTokens,
        limits: Limits,
        load: LoadConfig | None,
    ) -> float:
        """Return the share of time that the allowed watts permit.

        A stopped engine counts as one that runs again, or nothing would ever end.
        """
        if threads == limits.threads and limits.duty >= LEAST_DUTY:
            return limits.duty
        full = self._forecaster.predict(entry, threads, *tokens, 1.0, load)
        allowed_w = limits.allowance_w
        if allowed_w is None or isinstance(full, Unpredicted) or full.power_w is None:
            return 1.0
        added_w = (full.energy_j or 0.0) / full.seconds if full.seconds > 0.0 else 0.0
        if added_w <= 0.0 or full.power_w <= allowed_w:
            return 1.0
        room_w = allowed_w - (full.power_w - added_w)
        return min(1.0, max(LEAST_DUTY, room_w / added_w))


def nothing(
    entry: ModelRecord,
    threads: int,
    tokens: tuple[int | None, int, int],
    reason: str,
    option: DecodingOption = ALONE,
) -> PlanCandidate:
    """Return a candidate of which nothing is known, or that cannot be.

    `tokens` as in RequestTokens.
    """
    return PlanCandidate(
        model=entry.id,
        backend=entry.backend,
        threads=threads,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[2],
        seconds=None,
        prefill_s=None,
        decode_s=None,
        energy_j=None,
        total_j=None,
        power_w=None,
        end_temp_c=None,
        band_c=None,
        error_ratio=None,
        basis=None,
        chosen=False,
        reason=reason,
        mode=option.mode.label,
        partner=option.mode.partner,
    )


def judged(
    found: Sequence[PlanCandidate], wanted: tuple[str, int], why: str, mode: str = SINGLE
) -> list[PlanCandidate]:
    """Return the candidates with the chosen one first, and each with its reason.

    Those that have one already cannot be. `wanted` are the present model and threads, in that
    `mode`; where that cannot be, the fastest is chosen.
    """
    able = [c for c in found if not c.reason and c.seconds is not None]
    chosen = next((c for c in able if ((c.model, c.threads), c.mode) == (wanted, mode)), None)
    if chosen is None and able:
        chosen, why = min(able, key=lambda c: c.seconds or 0.0), "the fastest of these"
    others = [c for c in found if c is not chosen]
    others.sort(key=lambda c: (bool(c.reason), c.seconds is None, c.seconds))
    told = [
        c if c.reason or chosen is None else msgspec.structs.replace(c, reason=_beside(c, chosen))
        for c in others
    ]
    first = [] if chosen is None else [msgspec.structs.replace(chosen, chosen=True, reason=why)]
    return first + told


def _beside(other: PlanCandidate, chosen: PlanCandidate) -> str:
    if other.mode != SINGLE:
        return f"the figures are those of {other.model} by itself"
    parts = [
        f"{theirs / ours:.2f} times the {what}"
        for what, theirs, ours in (
            ("time", other.seconds, chosen.seconds),
            ("joules", other.energy_j, chosen.energy_j),
        )
        if theirs is not None and ours
    ]
    return ", ".join(parts)
