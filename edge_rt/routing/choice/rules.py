"""Rules that drop candidates: limits, memory and context."""

from __future__ import annotations

from typing import NamedTuple

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, RequestTokens, Unpredicted
from edge_rt.core.trace import Candidate, Rule
from edge_rt.routing.choice.ask import Ask, Variant
from edge_rt.routing.memory_pressure import feasible


class Dropped(NamedTuple):
    """The rule that speaks against a candidate, and how."""

    rule: Rule
    reason: str


class Excess(NamedTuple):
    """A limit that a candidate would break, and how many times over."""

    dropped: Dropped
    times: float


def against_variant(variant: Variant, ask: Ask, limits: Limits) -> Dropped | None:
    """Return why no setting of `variant` can serve the request; None where one may."""
    if limits.admission == "refuse":
        return Dropped("guard", f"the board takes no requests now: {limits.why}")
    if (why := ask.unfit.get(variant.id)) is not None:
        return Dropped("mode", why)
    return _too_long(variant, ask.tokens.get(variant.id))


def _too_long(variant: Variant, tokens: RequestTokens | Unpredicted | None) -> Dropped | None:
    if tokens is None:
        return Dropped("tokens", "nobody has counted the prompt's tokens for it")
    if isinstance(tokens, Unpredicted):
        return Dropped("tokens", tokens.reason)
    needed = tokens.prompt + tokens.completion
    if needed <= variant.context:
        return None
    reason = f"prompt and answer need {needed} tokens of context, and it has {variant.context}"
    return Dropped("context", reason)


def against_threads(threads: int, limits: Limits) -> Dropped | None:
    """Return why there cannot be so many threads."""
    if threads <= limits.threads:
        return None
    return Dropped("threads", f"more threads than the {limits.threads} allowed now: {limits.why}")


def against_loading(cpq: float, limits: Limits) -> Dropped | None:
    """Return why what is not loaded cannot be, at the memory pressure that it would bring."""
    if not feasible(cpq):
        return Dropped("memory", f"it would fill {cpq:.0%} of the memory that models may have")
    if not limits.heavy:
        return Dropped("guard", f"it is not loaded, and no model may be now: {limits.why}")
    return None


def against_others(cpq: float) -> Dropped:
    """Return why what would fit alone cannot be loaded beside what is at work."""
    memory = "of the memory that models may have"
    return Dropped("in_use", f"beside what is at work it would fill {cpq:.0%} {memory}")


def against_reloading(load: LoadConfig) -> Dropped:
    """Return why what is at work, loaded like that, cannot be loaded in another way."""
    reason = f"it is at work with {load.gpu_layers} layers on the GPU and its KV in {load.kv_type}"
    return Dropped("in_use", reason)


def excess(candidate: Candidate, ask: Ask, limits: Limits) -> Excess | None:
    """Return the limit that a candidate exceeds most; unknown figures exceed none."""
    worst: Excess | None = None
    bounds: tuple[tuple[Rule, float | None, float | None, str], ...] = (
        ("latency_s", candidate.seconds, ask.latency_s, "s"),
        ("energy_j", candidate.energy_j, ask.energy_j, "J"),
        ("power_w", candidate.power_w, limits.allowance_w, "W"),
    )
    for rule, value, most, unit in bounds:
        if value is None or most is None or value <= most:
            continue
        times = value / most if most > 0.0 else float("inf")
        if worst is None or times > worst.times:
            reason = f"it takes {value:.3g} {unit}, and {most:.3g} {unit} are allowed"
            worst = Excess(Dropped(rule, reason), times)
    return worst
