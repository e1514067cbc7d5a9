"""Rules that drop candidates: limits, memory, context, and the floor of quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, RequestTokens, Unpredicted
from edge_rt.routing.choice.ask import Ask, Selection, Variant
from edge_rt.routing.choice.pareto import TIE
from edge_rt.routing.choice.trace import Candidate, Considered, Rule
from edge_rt.routing.memory_pressure import feasible

Level = Literal["low", "normal", "high"]

FLOORS: Mapping[Level, float] = {"low": 0.25, "normal": 0.5, "high": 0.75}
"""What the words for a floor of quality mean, as probabilities that an answer is good enough."""


UNFIT: frozenset[Rule] = frozenset(("pin", "mode", "tokens", "context", "memory"))
"""The rules by which a candidate cannot answer a request on an idle, cool board either."""

_SOFT: frozenset[Rule] = frozenset(("latency_s", "energy_j"))


class Sufficing(NamedTuple):
    """Candidates to choose from, those left out, and why the floor is not kept, if so."""

    good: list[Candidate]
    poor: list[Considered]
    why: str | None


def floor_of(quality: Level | float) -> float:
    """A floor of quality as a probability."""
    return FLOORS[quality] if isinstance(quality, str) else quality


def least_quality(qualities: Iterable[float | None], floor: float | None) -> float:
    """Return the least quality with which a candidate may answer, among those of `qualities`.

    That is `floor`, or the best quality, less a tie, where none reaches it. An unknown quality is
    the worst.
    """
    if floor is None:
        return 0.0
    best = max((quality or 0.0 for quality in qualities), default=0.0)
    return floor if best >= floor else best * (1.0 - TIE)


def least_in_store(found: Iterable[tuple[Candidate, Rule | None]], floor: float | None) -> float:
    """Return the least quality with which a candidate may answer, whatever the board can do now.

    `found` are candidates, each with the rule against it. Those that cannot answer at all do not
    count, nor those that break the limits of the request where others keep them.
    """
    fit = [(one.quality, rule) for one, rule in found if rule not in UNFIT]
    within = [quality for quality, rule in fit if rule not in _SOFT]
    return least_quality(within or [quality for quality, _ in fit], floor)


def below(quality: float | None, least: float) -> str:
    """Say that a quality is below the least that may answer."""
    told = "its quality is not known" if quality is None else f"its quality is {quality:.2f}"
    return f"{told}, and {least:.2f} is the least"


def sufficing(able: Sequence[Candidate], floor: float | None) -> Sufficing:
    """Return the candidates whose quality reaches the floor; where none does, the best."""
    if floor is None:
        return Sufficing(list(able), [], None)
    best = max(candidate.quality or 0.0 for candidate in able)
    least = least_quality((candidate.quality for candidate in able), floor)
    good = [one for one in able if (one.quality or 0.0) >= least]
    told = floor if best >= floor else best
    poor = [
        Considered(one, "dropped", below(one.quality, told), "quality")
        for one in able
        if (one.quality or 0.0) < least
    ]
    return Sufficing(good, poor, _kept(best, floor))


def _kept(best: float, floor: float) -> str:
    if best >= floor:
        return f"of a quality of {floor:.2f} or better"
    if best == 0.0:
        return f"whether any reaches a quality of {floor:.2f} is not known"
    return f"none reaches a quality of {floor:.2f}, and this is the best: {best:.2f}"


class Dropped(NamedTuple):
    """The rule that speaks against a candidate, and how."""

    rule: Rule
    reason: str


class Excess(NamedTuple):
    """A limit that a candidate would break, and how many times over."""

    dropped: Dropped
    times: float


def against_variant(
    variant: Variant, ask: Ask, selection: Selection, limits: Limits
) -> Dropped | None:
    """Why no setting of `variant` can serve the request; None where one may."""
    if not selection.admits(variant):
        return Dropped("pin", f"the request names {selection.pin}, and this is {variant.label}")
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
    """Why there cannot be so many threads."""
    if threads <= limits.threads:
        return None
    return Dropped("threads", f"more threads than the {limits.threads} allowed now: {limits.why}")


def against_loading(cpq: float, limits: Limits) -> Dropped | None:
    """Why what is not loaded cannot be, at the memory pressure that it would bring."""
    if not feasible(cpq):
        return Dropped("memory", f"it would fill {cpq:.0%} of the memory that models may have")
    if not limits.heavy:
        return Dropped("guard", f"it is not loaded, and no model may be now: {limits.why}")
    return None


def against_others(cpq: float) -> Dropped:
    """Why what would fit alone cannot be loaded beside what is at work, at that memory pressure."""
    memory = "of the memory that models may have"
    return Dropped("in_use", f"beside what is at work it would fill {cpq:.0%} {memory}")


def against_reloading(load: LoadConfig) -> Dropped:
    """Why what is at work, loaded like that, cannot be loaded in another way."""
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
