"""The models in the store as the router sees them."""

from __future__ import annotations

from edge_rt.config.schema import Engine
from edge_rt.core.routing import USUAL_TOKENS, LoadConfig, Prediction
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.engine.model_pool import ModelPool
from edge_rt.models.directory import weights
from edge_rt.models.loading import kv_bytes, load_configs, resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.ask import Helper, Variant
from edge_rt.routing.decoding_options import DecodingOption
from edge_rt.routing.loading import load_config_of, wanted
from edge_rt.routing.quality import figure

LOAD_S, LOAD_BYTES_PER_S = 0.2, 200e6  # of a load, until the model was loaded once


class Variants:
    """Makes variants of entries."""

    def __init__(self, engine: Engine, pool: ModelPool, forecaster: Forecaster) -> None:
        self._engine, self._pool, self._forecaster = engine, pool, forecaster

    def load_config(self, entry: ModelRecord) -> LoadConfig:
        """Return how it is loaded, or is usually."""
        resident = self._pool.get(resident_name(entry))
        if resident is None:
            return load_configs(entry, self._engine)[0]
        return load_config_of(resident.wanted.spec)

    def offloads(self, entry: ModelRecord) -> list[LoadConfig]:
        """Return the first form with each number of layers on a GPU; its figures hold for all."""
        found: dict[int, LoadConfig] = {}
        for load in load_configs(entry, self._engine):
            found.setdefault(load.gpu_layers, load)
        return list(found.values())

    def threads(self, entry: ModelRecord, partner: ModelRecord | None = None) -> tuple[int, ...]:
        """Return the counts that answers of `entry` may ask for: those that it was calibrated with.

        None with onnxruntime, also of its partner: each change would make a new session.
        """
        if entry.backend == "onnx" or (partner is not None and partner.backend == "onnx"):
            return ()
        return tuple(sorted({c.threads for c in self._forecaster.calibrations(entry)}))

    def of(
        self, entry: ModelRecord, option: DecodingOption, threads: int, *, any_threads: bool
    ) -> Variant:
        """Return the variant of `entry` in that mode; load figures are for so many threads.

        With `any_threads` other counts may be used.
        """
        engine, summary = self._engine, entry.summary
        need, found = wanted(entry, entry.path, engine), load_configs(entry, engine)
        kept = {load.kv_type: kv_bytes(entry, engine, load) for load in found}
        load_s = self._load_s(entry)
        return Variant(
            id=entry.id,
            weights=weights(entry),
            backend=entry.backend,
            quantisation=summary.quantisation,
            context=need.spec.context,
            weights_bytes=entry.size,
            kv_bytes=kept,
            work_bytes=need.need_bytes - entry.size - kept[found[0].kv_type],
            quality=figure(entry),
            gpu_layers=tuple(dict.fromkeys(load.gpu_layers for load in found)),
            mode=option.mode.label,
            helper=None if option.partner is None else self._helper(option.partner, threads),
            load_s=load_s,
            load_j=load_s * self._busy_w(entry, threads),
            threads=self.threads(entry, option.partner) if any_threads else (),
        )

    def _helper(self, partner: ModelRecord, threads: int) -> Helper:
        need, load_s = wanted(partner, partner.path, self._engine), self._load_s(partner)
        load_j = load_s * self._busy_w(partner, threads)
        return Helper(partner.id, need.need_bytes, load_s, load_j)

    def waits_s(self, entry: ModelRecord) -> float:
        """Return the seconds until it is in memory; 0 where it is."""
        resident = self._pool.get(resident_name(entry))
        return 0.0 if resident is not None else self._load_s(entry)

    def _load_s(self, entry: ModelRecord) -> float:
        known = self._pool.load_s.get(resident_name(entry))
        return LOAD_S + entry.size / LOAD_BYTES_PER_S if known is None else known

    def _busy_w(self, entry: ModelRecord, threads: int) -> float:
        """Return what a busy engine adds to the draw, as much as a load adds at most."""
        found = self._forecaster.predict(entry, threads, *USUAL_TOKENS)
        if not isinstance(found, Prediction) or found.energy_j is None or found.seconds <= 0.0:
            return 0.0
        return found.energy_j / found.seconds
