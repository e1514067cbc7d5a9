"""A choice in words, and the error where there is none."""

from __future__ import annotations

from collections.abc import Mapping

from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.limits import Limits
from edge_rt.core.routing import Prefer
from edge_rt.core.trace import Candidate, Trace
from edge_rt.engine.process import LESS
from edge_rt.governor.admission import LOAD_S, refusal

_SETTING: Mapping[Prefer, str] = {
    "energy": "the fewest joules",
    "latency": "the fewest seconds",
    "quality": "the fewest joules",
}


def unroutable(trace: Trace, limits: Limits) -> EdgeError:
    """Return the error for a trace without a choice; what passes by itself is told first."""
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
    """Return the error for a model that may not be loaded now, and that nothing stands in for."""
    return _later(f"{model} may not be loaded now: {limits.why}; {why}.", limits)


def _later(message: str, limits: Limits) -> Unavailable:
    code = "budget" if limits.guard == "ok" else "too_hot"
    return Unavailable(message, retry_after_s=limits.retry_after_s or LOAD_S, code=code)


def _sentence(trace: Trace) -> str:
    return f"{trace.why[:1].upper()}{trace.why[1:]}."


def in_setting(chosen: Candidate, prefer: Prefer, settings: int) -> str:
    """Say what a candidate takes, the best of so many settings of its model."""
    if chosen.seconds is None:
        return f"what it takes is not known: {chosen.unpredicted}"
    took = f"{chosen.seconds:.3g} s"
    took = took if chosen.energy_j is None else f"{chosen.energy_j:.3g} J in {took}"
    if settings == 1:
        return took
    known = prefer == "latency" or chosen.energy_j is not None
    what = _SETTING[prefer] if known else "the fewest seconds, as joules are not known,"
    return f"{what} of {settings} settings: {took}"


def by_rule(chosen: Candidate, floor: float, prefer: Prefer, models: int) -> str:
    """Say why a model is chosen that is one of so many that can answer."""
    if models == 1:
        low = chosen.quality is not None and chosen.quality < floor
        told = f", whose figure, {chosen.quality:.2f}, is below {floor:.2f}" if low else ""
        return f"the only model that can answer{told}"
    if prefer == "quality":
        return f"the largest of {models} models that can answer, as quality is preferred"
    if chosen.quality is not None and chosen.quality >= floor:
        return f"the smallest model whose figure, {chosen.quality:.2f}, reaches {floor:.2f}"
    return f"no figure reaches {floor:.2f}, and this is the largest of {models} that can answer"


def nearest(excess: str) -> str:
    """Return why one is chosen that does not keep its limits."""
    return f"nothing keeps all limits, and this comes nearest: {excess}"


def beside(other: Candidate, chosen: Candidate) -> str:
    """Return how a candidate compares with another one."""
    parts: list[str] = []
    if other.seconds is not None and chosen.seconds:
        parts.append(f"{other.seconds / chosen.seconds:.2f} times the seconds")
    if other.energy_j is not None and chosen.energy_j:
        parts.append(f"{other.energy_j / chosen.energy_j:.2f} times the joules")
    if other.quality is not None and chosen.quality and other.quality != chosen.quality:
        parts.append(f"{other.quality / chosen.quality:.2f} times the quality")
    return ", ".join(parts) or f"not known: {other.unpredicted or chosen.unpredicted}"


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
