"""All ways to serve a request, each with its figures or why it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.routing import Prediction, RequestTokens, RunConfig, Unpredicted
from edge_rt.core.trace import Candidate
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.rules import (
    Dropped,
    against_loading,
    against_others,
    against_reloading,
    against_threads,
    against_variant,
)
from edge_rt.routing.memory_pressure import cpq, feasible

Predict = Callable[[RunConfig, RequestTokens], Prediction | Unpredicted]
"""What an answer takes with a model that is loaded, at the limits and the temperature of now."""


class Option(NamedTuple):
    """A candidate, and what speaks against it whatever it would take; None: nothing does."""

    candidate: Candidate
    dropped: Dropped | None


def options(ask: Ask, pool: Sequence[Variant], now: Now, predict: Predict) -> list[Option]:
    """Return each variant with each KV type, number of GPU layers and thread count."""
    return [option for variant in pool for option in _of(variant, ask, now, predict)]


def _of(variant: Variant, ask: Ask, now: Now, predict: Predict) -> Iterator[Option]:
    against = against_variant(variant, ask, now.limits)
    tokens = ask.tokens.get(variant.id)
    counted = tokens if isinstance(tokens, RequestTokens) else None
    for setting in _settings(variant, now):
        loaded = _is_loaded(setting, now)
        asked = counted if loaded or counted is None else counted._replace(cached=0)
        helped = loaded and (setting.partner is None or setting.partner in now.loaded)
        pressure = _pressure(variant, setting, now)
        blank = _blank(variant, setting, asked, pressure, helped)
        why = against or against_threads(setting.threads, now.limits)
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


def _against_loading(
    variant: Variant, setting: RunConfig, pressure: float, now: Now
) -> Dropped | None:
    """Return why what is not loaded cannot be.

    For want of memory, whether others at work take that.
    """
    alone = cpq(variant.needed_bytes(setting.kv_type), now.usable_bytes)
    if not feasible(pressure) and feasible(alone):
        return against_others(pressure)
    return against_loading(pressure, now.limits)


def _pressure(variant: Variant, setting: RunConfig, now: Now) -> float:
    """Return the pressure on memory with the variant and its helper beside what is in use."""
    own = (setting.variant, setting.partner)
    others = sum(size for name, size in now.in_use.items() if name not in own)
    return cpq(variant.needed_bytes(setting.kv_type) + others, now.usable_bytes)


def _is_loaded(setting: RunConfig, now: Now) -> bool:
    return now.loaded.get(setting.variant) == setting.load


def _against_change(setting: RunConfig, now: Now) -> Dropped | None:
    load = now.loaded.get(setting.variant)
    if load is None or load == setting.load or setting.variant not in now.in_use:
        return None
    return against_reloading(load)
