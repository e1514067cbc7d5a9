"""A choice in words, and the error where there is none."""

from __future__ import annotations

from collections.abc import Mapping

from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.limits import Limits
from edge_rt.core.routing import Prefer
from edge_rt.engine.process import LESS
from edge_rt.governor.admission import LOAD_S, refusal
from edge_rt.routing.choice.trace import Candidate, Trace


def unroutable(trace: Trace, limits: Limits) -> EdgeError:
    """The error for a trace without a choice; what passes by itself is told first."""
    if limits.admission == "refuse":
        return refusal(limits)
    rules = {considered.rule for considered in trace.considered}
    if "guard" in rules:
        return _later(_sentence(trace), limits)
    if "memory" in rules or "in_use" in rules:
        message = f"{_sentence(trace)} {LESS}."
        return Unavailable(message, retry_after_s=LOAD_S, code="out_of_memory")
    if "context" in rules:
        message = _sentence(trace)
        return RequestError(message, param="prompt", code="context_length_exceeded")
    return RequestError(_sentence(trace), param="model", code="unsupported")


def unloadable(model: str, why: str, limits: Limits) -> Unavailable:
    """The error for a model that may not be loaded now, and that nothing stands in for."""
    return _later(f"{model} may not be loaded now: {limits.why}; {why}.", limits)


def _later(message: str, limits: Limits) -> Unavailable:
    code = "budget" if limits.guard == "ok" else "too_hot"
    return Unavailable(message, retry_after_s=limits.retry_after_s or LOAD_S, code=code)


def _sentence(trace: Trace) -> str:
    return f"{trace.why[:1].upper()}{trace.why[1:]}."


_BEST: Mapping[Prefer, str] = {
    "energy": "the fewest joules",
    "latency": "the fewest seconds",
    "quality": "the best quality",
}


def best(chosen: Candidate, prefer: Prefer, able: int, ties: int) -> str:
    """Why one of `able` is chosen that was tied with some others."""
    what = _BEST[prefer]
    if prefer == "energy" and chosen.energy_j is None:
        what = "the fewest seconds, as joules are not known,"
    if prefer == "quality" and chosen.quality is None:
        what = "the fewest joules, as qualities are not known,"
    words = f"{what} of {able} that can be" if able > 1 else "the only one that can be"
    if ties:
        words += f", tied with {ties}, and its measurement is the oldest"
    return f"{words}: {_taking(chosen)}"


def explored(chosen: Candidate) -> str:
    """Why one is chosen that others may be better than."""
    return f"it may be the best, and was not measured for long: {_taking(chosen)}"


def tried(chosen: Candidate, extra_j: float) -> str:
    """Why one is chosen that takes so many joules more than another one."""
    return (
        f"a trial, for little is known of it with such prompts, which takes {extra_j:.3g} J more "
        f"than the best: {_taking(chosen)}"
    )


def nearest(excess: str) -> str:
    """Why one is chosen that does not keep its limits."""
    return f"nothing keeps all limits, and this comes nearest: {excess}"


def unknown(reason: str) -> str:
    """The reason for a candidate whose cost is not known."""
    return f"no other can serve the request, and the cost of this one is not known: {reason}"


def beside(other: Candidate, chosen: Candidate) -> str:
    """How a candidate compares with another one."""
    parts: list[str] = []
    if other.seconds is not None and chosen.seconds:
        parts.append(f"{other.seconds / chosen.seconds:.2f} times the seconds")
    if other.energy_j is not None and chosen.energy_j:
        parts.append(f"{other.energy_j / chosen.energy_j:.2f} times the joules")
    if other.quality is not None and chosen.quality and other.quality != chosen.quality:
        parts.append(f"{other.quality / chosen.quality:.2f} times the quality")
    return ", ".join(parts)


def dominated(other: Candidate, by: Candidate) -> str:
    """Why a candidate is not on the front."""
    return f"{by.setting} is no worse in anything: {beside(other, by)}"


def _taking(chosen: Candidate) -> str:
    seconds = "seconds unknown" if chosen.seconds is None else f"{chosen.seconds:.3g} s"
    return seconds if chosen.energy_j is None else f"{chosen.energy_j:.3g} J in {seconds}"


def gave_way(trace: Trace, asked: float | None, usual: float, limits: Limits) -> str | None:
    """Say that the answer is below the `usual` quality, since the governor wants a smaller model.

    None if it is not below it, if nothing better was able, or if the request `asked` for a quality.
    """
    chosen = trace.chosen
    if chosen is None or asked is not None or not limits.smaller:
        return None
    able = [row.candidate for row in trace.considered if row.state != "dropped"]
    best = max((one.quality or 0.0 for one in able), default=0.0)
    if (chosen.quality or 0.0) >= min(best, usual):
        return None
    return f"{chosen.setting.variant} answers although others do that better: {limits.why}"
