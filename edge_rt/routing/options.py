"""All ways to serve a request, each with its figures or why it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.energy.prediction import Prediction, Unpredicted
from edge_rt.energy.pressure import cpq, penalty
from edge_rt.routing.ages import Ages
from edge_rt.routing.ask import Ask, Now, Tokens
from edge_rt.routing.candidate import Candidate
from edge_rt.routing.naming import Selection
from edge_rt.routing.rules import Dropped, against_loading, against_threads, against_variant
from edge_rt.routing.setting import Setting
from edge_rt.routing.variant import Variant

Predict = Callable[[Setting, Tokens], Prediction | Unpredicted]
"""What an answer takes with a model that is loaded, at the limits and the temperature of now."""


class Option(NamedTuple):
    """A candidate, and what speaks against it whatever it would take; None: nothing does."""

    candidate: Candidate
    dropped: Dropped | None


class Options:
    """Makes the candidates for requests."""

    def __init__(self, ages: Ages) -> None:
        self._ages = ages

    def of(self, ask: Ask, selection: Selection, now: Now, predict: Predict) -> list[Option]:
        """Each variant with each KV type, number of GPU layers, decoding mode and thread count."""
        found: list[Option] = []
        for variant in selection.variants:
            dropped = against_variant(variant, ask, selection, now.limits)
            tokens = ask.tokens.get(variant.id)
            counted = tokens if isinstance(tokens, Tokens) else None
            for setting, pressure, loaded in _settings(variant, now):
                blank = self._blank(variant, setting, counted, pressure, loaded)
                why = dropped or against_threads(setting.threads, now.limits)
                if why is None and not loaded:
                    why = against_loading(pressure, now.limits)
                if why is None and counted is not None:
                    found.append(_foretold(variant, blank, predict(setting, counted)))
                else:
                    found.append(Option(blank, why))
        return found

    def _blank(
        self,
        variant: Variant,
        setting: Setting,
        tokens: Tokens | None,
        pressure: float,
        loaded: bool,
    ) -> Candidate:
        return Candidate(
            setting=setting,
            backend=variant.backend,
            quantisation=variant.quantisation,
            context=variant.context,
            quality=variant.quality,
            cpq=pressure if pressure < math.inf else None,
            loaded=loaded,
            age_s=self._ages.age_s(setting),
            prompt_tokens=tokens and tokens.prompt,
            cached_tokens=tokens and tokens.cached,
            completion_tokens=tokens and tokens.completion,
        )


def _foretold(variant: Variant, blank: Candidate, found: Prediction | Unpredicted) -> Option:
    """With its figures.

    Memory that fills up makes joules dearer. That is for what would have to be loaded: what is
    loaded was measured under the pressure that there is.
    """
    if isinstance(found, Unpredicted):
        return Option(blank, Dropped("prediction", found.reason))
    energy_j, load_s = found.energy_j, 0.0
    if not blank.loaded:
        load_s = variant.load_s
        if energy_j is not None:
            energy_j = energy_j * penalty(blank.cpq or 0.0) + variant.load_j
    candidate = replace(
        blank,
        load_s=load_s,
        prefill_s=found.prefill_s,
        decode_s=found.decode_s,
        seconds=load_s + found.seconds,
        energy_j=energy_j,
        power_w=found.power_w,
        error_ratio=found.error_ratio,
        energy_error_ratio=found.energy_error_ratio,
        basis=found.basis,
    )
    return Option(candidate, None)


def _settings(variant: Variant, now: Now) -> Iterator[tuple[Setting, float, bool]]:
    """Each setting, the memory pressure with it, and whether it is loaded like that."""
    others = sum(size for name, size in now.in_use.items() if name != variant.id)
    for kv_type in variant.kv_bytes:
        pressure = cpq(variant.demand(kv_type, others), now.usable_bytes)
        for layers in variant.gpu_layers:
            loaded = now.loaded.get(variant.id) == (layers, kv_type)
            for mode in variant.modes:
                for threads in now.threads:
                    setting = Setting(variant.id, threads, layers, mode, kv_type)
                    yield setting, pressure, loaded
