"""All ways to serve a request, each with its figures or why it cannot be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.routing import Prediction, RequestTokens, RunConfig, Unpredicted
from edge_rt.core.trace import Candidate
from edge_rt.routing.choice.ask import Ask, DecodingWay, Now, Selection, Variant
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


def options(ask: Ask, selection: Selection, now: Now, predict: Predict) -> list[Option]:
    """Return each variant with each KV type, number of GPU layers, mode and thread count."""
    found: list[Option] = []
    for variant in selection.variants:
        dropped = against_variant(variant, ask, selection, now.limits)
        tokens = ask.tokens.get(variant.id)
        counted = tokens if isinstance(tokens, RequestTokens) else None
        for setting, pressure, loaded in _settings(variant, now):
            asked = _asked(counted, variant, setting, now)
            blank = _blank(variant, setting, asked, pressure, loaded)
            why = dropped or against_threads(setting.threads, now.limits)
            if why is None and not loaded:
                why = _against_change(variant, setting, now)
                why = why or _against_loading(variant, setting, pressure, now)
            if why is None and asked is not None:
                load = _load(variant, setting, now)
                found.append(Option(_with_figures(load, blank, predict(setting, asked)), None))
            else:
                found.append(Option(blank, why))
    return found


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


class _Load(NamedTuple):
    """What has to be loaded takes."""

    seconds: float
    energy_j: float


def _load(variant: Variant, setting: RunConfig, now: Now) -> _Load:
    """Return what it takes to load the variant and its partner, if they are not loaded."""
    seconds = energy_j = 0.0
    if not _is_loaded(variant, setting, now):
        seconds, energy_j = variant.load_s, variant.load_j
    way = variant.way(setting.mode)
    if way.partner is not None and way.partner not in now.loaded:
        seconds, energy_j = seconds + way.load_s, energy_j + way.load_j
    return _Load(seconds, energy_j)


def _with_figures(load: _Load, blank: Candidate, found: Prediction | Unpredicted) -> Candidate:
    """Return the candidate with its figures; without a prediction it is as good as any."""
    if isinstance(found, Unpredicted):
        return replace(blank, load_s=load.seconds, unpredicted=found.reason)
    energy_j = found.energy_j
    return replace(
        blank,
        load_s=load.seconds,
        prefill_s=found.prefill_s,
        decode_s=found.decode_s,
        seconds=load.seconds + found.seconds,
        energy_j=None if energy_j is None else energy_j + load.energy_j,
        power_w=found.power_w,
        error_ratio=found.error_ratio,
        energy_error_ratio=found.energy_error_ratio,
        basis=found.basis,
        mask_wait_s=found.mask_wait_s,
    )


def _settings(variant: Variant, now: Now) -> Iterator[tuple[RunConfig, float, bool]]:
    """Each setting, the memory pressure with it, and whether all is loaded like that."""
    for kv_type in variant.kv_bytes:
        for layers in variant.gpu_layers:
            for mode in variant.modes:
                way = variant.way(mode)
                pressure = _pressure(variant, kv_type, way, now)
                for threads in dict.fromkeys([*now.threads, *variant.threads]):
                    setting = RunConfig(variant.id, threads, layers, mode, kv_type, way.partner)
                    there = way.partner is None or way.partner in now.loaded
                    yield setting, pressure, there and _is_loaded(variant, setting, now)


def _against_loading(
    variant: Variant, setting: RunConfig, pressure: float, now: Now
) -> Dropped | None:
    """Why what is not loaded cannot be; for want of memory, whether others at work take that."""
    way, alone = variant.way(setting.mode), dataclasses.replace(now, in_use={})
    if not feasible(pressure) and feasible(_pressure(variant, setting.kv_type, way, alone)):
        return against_others(pressure)
    return against_loading(pressure, now.limits)


def _pressure(variant: Variant, kv_type: str, way: DecodingWay, now: Now) -> float:
    """Return the pressure on memory with the variant and its partner beside what is in use."""
    own = (variant.id, way.partner)
    others = sum(size for name, size in now.in_use.items() if name not in own)
    return cpq(variant.needed_bytes(kv_type) + others + way.bytes, now.usable_bytes)


def _is_loaded(variant: Variant, setting: RunConfig, now: Now) -> bool:
    return now.loaded.get(variant.id) == setting.load


def _asked(
    counted: RequestTokens | None, variant: Variant, setting: RunConfig, now: Now
) -> RequestTokens | None:
    """Return the counts without cached tokens where the model has to be loaded again."""
    if counted is None or not counted.cached or _is_loaded(variant, setting, now):
        return counted
    return counted._replace(cached=0)


def _against_change(variant: Variant, setting: RunConfig, now: Now) -> Dropped | None:
    load = now.loaded.get(variant.id)
    if load is None or load == setting.load or variant.id not in now.in_use:
        return None
    return against_reloading(load)
