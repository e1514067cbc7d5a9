"""All ways to serve a request, each with its figures, or what rules it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.limits import Limits
from edge_rt.core.routing import Prediction, RequestTokens, RunConfig, Unpredicted
from edge_rt.core.trace import Candidate, Rule
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.memory_pressure import cpq, feasible

Predict = Callable[[RunConfig, RequestTokens], Prediction | Unpredicted]
"""What an answer takes with a model that is loaded, at the limits and the temperature of now."""


class Dropped(NamedTuple):
    """The rule that speaks against a candidate, and how."""

    rule: Rule
    reason: str


class Excess(NamedTuple):
    """A limit that a candidate would break, and how many times over."""

    dropped: Dropped
    times: float


class Option(NamedTuple):
    """A candidate, and what speaks against it whatever it would take; None: nothing does."""

    candidate: Candidate
    dropped: Dropped | None


def options(ask: Ask, pool: Sequence[Variant], now: Now, predict: Predict) -> list[Option]:
    """Return each variant with each KV type, number of GPU layers and thread count."""
    return [option for variant in pool for option in _of(variant, ask, now, predict)]


def _of(variant: Variant, ask: Ask, now: Now, predict: Predict) -> Iterator[Option]:
    against = _against_variant(variant, ask, now.limits)
    tokens = ask.tokens.get(variant.id)
    counted = tokens if isinstance(tokens, RequestTokens) else None
    for setting in _settings(variant, now):
        loaded = _is_loaded(setting, now)
        asked = counted if loaded or counted is None else counted._replace(cached=0)
        helped = loaded and (setting.partner is None or setting.partner in now.loaded)
        pressure = _pressure(variant, setting, now)
        blank = _blank(variant, setting, asked, pressure, helped)
        why = against or _against_threads(setting.threads, now.limits)
        if why is None and not helped:
            why = _against_change(setting, now) or _against_loading(variant, setting, pressure, now)
        if why is None and asked is not None:
            yield Option(_with_figures(variant, blank, predict(setting, asked), now), None)
        else:
            yield Option(blank, why)


def _settings(variant: Variant, now: Now) -> Iterator[RunConfig]:
    partner = None if variant.helper is None else variant.helper.id
    for kv_type in variant.kv_bytes:
        for layers in variant.gpu_layers:
            for threads in dict.fromkeys([*now.threads, *variant.threads]):
                yield RunConfig(variant.id, threads, layers, variant.mode, kv_type, partner)


def _blank(
    variant: Variant,
    setting: RunConfig,
    tokens: RequestTokens | None,
    pressure: float,
    loaded: bool,
) -> Candidate:
    """Return a candidate without predicted figures."""
    return Candidate(
        setting=setting,
        backend=variant.backend,
        quantisation=variant.quantisation,
        context=variant.context,
        quality=variant.quality,
        cpq=pressure if pressure < math.inf else None,
        bytes=variant.weights_bytes,
        loaded=loaded,
        prompt_tokens=tokens and tokens.prompt,
        cached_tokens=tokens and tokens.cached,
        completion_tokens=tokens and tokens.completion,
    )


def _with_figures(
    variant: Variant, blank: Candidate, found: Prediction | Unpredicted, now: Now
) -> Candidate:
    """Return the candidate with its figures; without a prediction it is as good as any."""
    helper, load_s, load_j = variant.helper, 0.0, 0.0
    if not _is_loaded(blank.setting, now):
        load_s, load_j = variant.load_s, variant.load_j
    if helper is not None and helper.id not in now.loaded:
        load_s, load_j = load_s + helper.load_s, load_j + helper.load_j
    if isinstance(found, Unpredicted):
        return replace(blank, load_s=load_s, unpredicted=found.reason)
    return replace(
        blank,
        load_s=load_s,
        prefill_s=found.prefill_s,
        decode_s=found.decode_s,
        seconds=load_s + found.seconds,
        energy_j=None if found.energy_j is None else found.energy_j + load_j,
        power_w=found.power_w,
        error_ratio=found.error_ratio,
        energy_error_ratio=found.energy_error_ratio,
        basis=found.basis,
        mask_wait_s=found.mask_wait_s,
    )


def _against_threads(threads: int, limits: Limits) -> Dropped | None:
    if threads <= limits.threads:
        return None
    return Dropped("threads", f"more threads than the {limits.threads} allowed now: {limits.why}")


def _against_loading(
    variant: Variant, setting: RunConfig, pressure: float, now: Now
) -> Dropped | None:
    """Return why what is not loaded cannot be, at the memory pressure that it would bring."""
    share = f"{pressure:.0%} of the memory that models may have"
    if not feasible(pressure):
        if feasible(cpq(variant.needed_bytes(setting.kv_type), now.usable_bytes)):
            return Dropped("in_use", f"beside what is at work it would fill {share}")
        return Dropped("memory", f"it would fill {share}")
    if not now.limits.heavy:
        return Dropped("guard", f"it is not loaded, and no model may be now: {now.limits.why}")
    return None


def _pressure(variant: Variant, setting: RunConfig, now: Now) -> float:
    """Return the pressure on memory with the variant and its helper beside what is in use."""
    own = (setting.variant, setting.partner)
    others = sum(size for name, size in now.in_use.items() if name not in own)
    return cpq(variant.needed_bytes(setting.kv_type) + others, now.usable_bytes)


def _is_loaded(setting: RunConfig, now: Now) -> bool:
    return now.loaded.get(setting.variant) == setting.load


def _against_change(setting: RunConfig, now: Now) -> Dropped | None:
    """Return why what is at work cannot be loaded in another way."""
    load = now.loaded.get(setting.variant)
    if load is None or load == setting.load or setting.variant not in now.in_use:
        return None
    reason = f"it is at work with {load.gpu_layers} layers on the GPU and its KV in {load.kv_type}"
    return Dropped("in_use", reason)


def _against_variant(variant: Variant, ask: Ask, limits: Limits) -> Dropped | None:
    """Return why no setting of `variant` can serve the request; None where one may."""
    if limits.admission == "refuse":
        return Dropped("guard", f"the board takes no requests now: {limits.why}")
    if (why := ask.unfit.get(variant.id)) is not None:
        return Dropped("mode", why)
    tokens = ask.tokens.get(variant.id)
    if tokens is None:
        return Dropped("tokens", "nobody has counted the prompt's tokens for it")
    if isinstance(tokens, Unpredicted):
        return Dropped("tokens", tokens.reason)
    needed = tokens.prompt + tokens.completion
    if needed <= variant.context:
        return None
    reason = f"prompt and answer need {needed} tokens of context, and it has {variant.context}"
    return Dropped("context", reason)


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
