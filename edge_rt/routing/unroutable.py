"""What a request is told that no model can answer now."""

from __future__ import annotations

from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.limits import Limits
from edge_rt.engine.supervisor.failures import LESS
from edge_rt.governor.admission import LOAD_S, refusal
from edge_rt.routing.choice.trace import Trace


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
