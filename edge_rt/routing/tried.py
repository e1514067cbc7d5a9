"""A candidate that was run, beside what had been predicted."""

from __future__ import annotations

from edge_rt.core.reports.planning import Candidate, Tried
from edge_rt.energy.calibration.measurement import Measurement


def tried(came: Measurement, foretold: Candidate) -> Tried:
    """How right it was."""
    served = came.served
    return Tried(
        foretold=foretold,
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
        seconds_error=_error(foretold.seconds, came.seconds),
        energy_error=_error(foretold.energy_j, served.energy_j),
        temp_error_c=_warmer_c(foretold.end_temp_c, came.temp_c),
    )


def failed(candidate: Candidate, why: str) -> Tried:
    """That it could not be run."""
    return Tried(
        foretold=candidate,
        prompt_tokens=candidate.prompt_tokens,
        cached_tokens=0,
        completion_tokens=0,
        quality="unresolved",
        failure=why,
    )


def _error(foretold: float | None, came: float | None) -> float | None:
    return foretold / came - 1.0 if foretold is not None and came else None


def _warmer_c(foretold_c: float | None, came_c: float | None) -> float | None:
    return None if foretold_c is None or came_c is None else foretold_c - came_c
