"""The models in the store as the router sees them, and which of them a name means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edge_rt.config.schema import Engine
from edge_rt.core.routing import USUAL_TOKENS, LoadConfig, Objectives, Prediction
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.engine.model_pool import ModelPool
from edge_rt.models.loading import kv_bytes, load_configs, resident_name
from edge_rt.models.record import ModelRecord, writer, writers
from edge_rt.routing.choice.ask import AUTO, DecodingWay, Variant
from edge_rt.routing.decoding_options import DecodingOption, DecodingOptions
from edge_rt.routing.host import ModelHost
from edge_rt.routing.loading import load_config_of, wanted
from edge_rt.routing.quality import figure

LOAD_S, LOAD_BYTES_PER_S = 0.2, 200e6  # of a load, until the model was loaded once


class Variants:
    """Makes variants of entries."""

    def __init__(self, engine: Engine, pool: ModelPool, forecaster: Forecaster) -> None:
        self._engine, self._pool, self._forecaster = engine, pool, forecaster

    def load_config(self, entry: ModelRecord) -> LoadConfig:
        """How it is loaded, or is usually."""
        resident = self._pool.get(resident_name(entry))
        if resident is None:
            return load_configs(entry, self._engine)[0]
        return load_config_of(resident.wanted.spec)

    def offloads(self, entry: ModelRecord) -> list[LoadConfig]:
        """The first form with each number of layers on a GPU: others go by the same figures."""
        found: dict[int, LoadConfig] = {}
        for load in load_configs(entry, self._engine):
            found.setdefault(load.gpu_layers, load)
        return list(found.values())

    def threads(
        self,
        entry: ModelRecord,
        offer: DecodingOptions = DecodingOptions(),  # noqa: B008 - it is frozen
    ) -> tuple[int, ...]:
        """Return the counts that answers of `entry` may ask for: those that it was calibrated with.

        None with onnxruntime, also of a partner in `offer`: each change would make a new session.
        """
        partners = [one.partner for one in offer.modes if one.partner is not None]
        if any(one.backend == "onnx" for one in (entry, *partners)):
            return ()
        return tuple(sorted({c.threads for c in self._forecaster.calibrations(entry)}))

    def context(self, entry: ModelRecord) -> int:
        """Tokens of the longest conversation."""
        return min(self._engine.context, entry.summary.context_train)

    def of(
        self,
        entries: Iterable[ModelRecord],
        threads: int,
        offers: Mapping[str, DecodingOptions] | None = None,
        *,
        any_threads: bool = False,
    ) -> list[Variant]:
        """Return a variant for each; load figures are for so many threads.

        `offers` are the modes of those that do more than answer by themselves, by id. With
        `any_threads` other counts may be used.
        """
        entries = list(entries)
        origins = families(entries)
        option = {entry.id: (offers or {}).get(entry.id, DecodingOptions()) for entry in entries}
        found = [
            self._variant(entry, threads, origin, option[entry.id].modes)
            for entry, origin in zip(entries, origins, strict=True)
        ]
        if not any_threads:
            return found
        both = zip(found, entries, strict=True)
        return [
            replace(variant, threads=self.threads(entry, option[entry.id]))
            for variant, entry in both
        ]

    def _variant(
        self,
        entry: ModelRecord,
        threads: int,
        origin: str,
        modes: Sequence[DecodingOption],
    ) -> Variant:
        engine, summary = self._engine, entry.summary
        need, found = wanted(entry, entry.path, engine), load_configs(entry, engine)
        kept = {load.kv_type: kv_bytes(entry, engine, load) for load in found}
        load_s = self._load_s(entry)
        return Variant(
            id=entry.id,
            source=origin,
            weights=weights(entry),
            backend=entry.backend,
            quantisation=summary.quantisation,
            context=need.spec.context,
            weights_bytes=entry.size,
            kv_bytes=kept,
            work_bytes=need.need_bytes - entry.size - kept[found[0].kv_type],
            quality=figure(entry),
            gpu_layers=tuple(dict.fromkeys(load.gpu_layers for load in found)),
            load_s=load_s,
            load_j=load_s * self._busy_w(entry, threads),
            modes=tuple(one.mode.label for one in modes),
            ways={one.mode.label: self._way(one, threads) for one in modes},
        )

    def _way(self, option: DecodingOption, threads: int) -> DecodingWay:
        partner = option.partner
        if partner is None:
            return DecodingWay()
        need, load_s = wanted(partner, partner.path, self._engine), self._load_s(partner)
        load_j = load_s * self._busy_w(partner, threads)
        return DecodingWay(partner.id, need.need_bytes, load_s, load_j)

    def _load_s(self, entry: ModelRecord) -> float:
        known = self._pool.load_s.get(resident_name(entry))
        return LOAD_S + entry.size / LOAD_BYTES_PER_S if known is None else known

    def _busy_w(self, entry: ModelRecord, threads: int) -> float:
        """What a busy engine adds to the draw, which is as much as a load adds at most."""
        found = self._forecaster.predict(entry, threads, *USUAL_TOKENS)
        if not isinstance(found, Prediction) or found.energy_j is None or found.seconds <= 0.0:
            return 0.0
        return found.energy_j / found.seconds


def weights(entry: ModelRecord) -> str:
    """Return what those have in common that hold the same weights.

    Conversion to ONNX loses next to nothing; a new quantisation is a model of its own.
    """
    converted = entry.source_sha256 if entry.backend == "onnx" else None
    return converted or entry.sha256


def families(entries: Sequence[ModelRecord]) -> list[str]:
    """Return for each of `entries` the model that it was first made from, if that is known."""
    sources = {entry.sha256: entry.source_sha256 for entry in entries}
    return [_first(entry.sha256, sources) for entry in entries]


def _first(sha256: str, sources: Mapping[str, str | None]) -> str:
    for _ in sources:  # not for ever, should they go round in a ring
        sha256 = sources.get(sha256) or sha256
    return sha256


def named(model: str, host: ModelHost) -> list[ModelRecord]:
    """Return the models that a name stands for, before its pin; the one with that id first.

    All with the same weights, where something is pinned all of the same origin. "auto" are all that
    write, "default" is just that one. Raises ModelNotFound, or RequestError for one that writes no
    text.
    """
    name, pinned, _ = model.partition("@")
    if name == AUTO:
        return writers(host.entries()) or [writer(host.entry("default"))]
    asked = writer(host.entry(name))
    if name == "default" and not pinned:
        return [asked]
    entries = writers(host.entries())
    kin = families(entries) if pinned else [weights(entry) for entry in entries]
    own = next((k for k, entry in zip(kin, entries, strict=True) if entry.id == asked.id), None)
    others = [e for k, e in zip(kin, entries, strict=True) if k == own]
    return [asked, *(e for e in others if e.sha256 != asked.sha256)]  # a copy is no choice


def known_as(model: str, entries: Sequence[ModelRecord]) -> str:
    """The name as the router knows it: of an id, or "auto", with its pin."""
    name, at, pin = model.partition("@")
    return f"{name if name == AUTO else entries[0].id}{at}{pin}"


def leaves_open(model: str, objectives: Objectives) -> bool:
    """Whether a request for that leaves it open with how many threads it is computed."""
    return model.partition("@")[0] == AUTO or objectives._replace(quality=None) != Objectives()
