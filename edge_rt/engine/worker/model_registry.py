"""The models that the engine holds, and the limits that they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from edge_rt.backends.base import Backend, EmbeddingBackend
from edge_rt.core.cached import Prefixes
from edge_rt.core.errors import RequestError
from edge_rt.engine.generation.model_sequence import Home, nobody
from edge_rt.engine.kv.checkpoints import Checkpoints, Keyed
from edge_rt.engine.kv.prefix_disk import PrefixDisk
from edge_rt.engine.kv.prefixes import kept_as, state_key
from edge_rt.engine.protocol import (
    AskPrefixes,
    Generate,
    KeepPrefixes,
    ModelSpec,
    SetLimits,
    ToFront,
)
from edge_rt.engine.scheduler.inputs import Outbox
from edge_rt.engine.scheduler.runner import AnyRunner, EngineCounters
from edge_rt.engine.scheduler.scheduler import Scheduler
from edge_rt.engine.scheduler.tasks import EmbeddingScheduler

ORPHANED_S = 60.0  # after a model is loaded, nobody comes for what an earlier engine left
WRITTEN_S = 3.0  # at the engine's end, for what is being written on the disk

AnyBackend = Backend | EmbeddingBackend
"""A loaded model of kind "language" or "embedding"."""


class ModelRegistry:
    """A scheduler by the name of its model; `limits` hold for all of them, later ones too."""

    def __init__(
        self,
        limits: SetLimits,
        emit: Callable[[ToFront], None],
        tally: EngineCounters,
        clock: Callable[[], float],
        versions: Mapping[str, str] = MappingProxyType({}),
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`versions` are those of the backends' libraries; schedulers take the others."""
        self._checkpoints = checkpoints
        self._orphaned_s = math.inf  # when that is, as the clock reads
        self._versions = versions
        self._limits = limits
        self._emit = emit
        self._tally = tally
        self._clock = clock
        self._outbox = Outbox(emit)  # of all language models: two may make one answer
        self._models: dict[str, AnyRunner] = {}
        self._disk: PrefixDisk | None = None
        self._await_owners()

    @property
    def limits(self) -> SetLimits:
        """What the models may use from their next pass on."""
        return self._limits

    @limits.setter
    def limits(self, limits: SetLimits) -> None:
        self._limits = limits
        for scheduler in self._models.values():
            self._limit(scheduler)

    @property
    def running(self) -> int:
        """Answers that hold a sequence, and other requests that were begun."""
        return sum(s.running for s in self._models.values())

    @property
    def waiting(self) -> int:
        """What is in the queues."""
        return sum(s.waiting for s in self._models.values())

    @property
    def offloads(self) -> bool:
        """Whether a model has layers on a GPU."""
        return any(s.gpu_share > 0.0 for s in self._models.values())

    def able(self) -> list[AnyRunner]:
        """Return the models that have work, the one that has waited longest first."""
        able = [s for s in self._models.values() if s.able]
        return sorted(able, key=lambda s: s.waits_since) if len(able) > 1 else able

    def get(self, model: str) -> AnyRunner | None:
        """Return the scheduler of `model`; None when it is not loaded."""
        return self._models.get(model)

    def homes(self, request: Generate) -> list[Home]:
        """Return the schedulers of a request's models, as far as they are loaded."""
        partner = None if request.mode is None else request.mode.partner
        found = [self._models.get(name) for name in (request.model, partner) if name is not None]
        return [one for one in found if isinstance(one, Scheduler)]

    def add(self, model: str, backend: AnyBackend, spec: ModelSpec) -> None:
        """Take a loaded model of the spec's kind in, in place of an older one of its name."""
        self.remove(model)
        scheduler = self._runner(backend, spec)
        scheduler.gpu_share = spec.gpu_share
        self._limit(scheduler)
        self._models[model] = scheduler
        self._await_owners()

    def remove(self, model: str) -> None:
        """Free `model`, if it is there; what runs on it fails."""
        scheduler = self._models.pop(model, None)
        if scheduler is not None:
            scheduler.close(f"{model} was unloaded")

    def keep(self, message: KeepPrefixes) -> tuple[int, int]:
        """Have models that are loaded from now on keep beginnings of prompts.

        Returns the descriptors that become readable when there is something to `settle`.
        """
        self._disk = PrefixDisk(message)
        return self._disk.filenos()

    @property
    def settles_s(self) -> float:
        """Seconds until there is something to `settle` of which no descriptor tells."""
        return max(0.0, self._orphaned_s - self._clock())

    def settle(self) -> None:
        """Take in what came of reading and writing on the disk, and let go of what nobody wants."""
        if self._disk is not None:
            self._disk.settle()
        if self._checkpoints is not None and self.settles_s == 0.0:
            self._checkpoints.drop_orphans()
            self._orphaned_s = math.inf

    def tell_prefixes(self, asked: AskPrefixes) -> None:
        """Report the prefixes that are kept, after deleting those to be forgotten."""
        disk = self._disk
        if disk is None:
            self._emit(Prefixes(asked.nonce, enabled=False))
            return

        def tell(forgotten: int = 0, left: int = 0) -> None:
            told = disk.writable, disk.max_bytes, disk.groups(), forgotten, left
            self._emit(Prefixes(asked.nonce, True, *told))

        which = asked.forget
        if which is None:
            tell()
            return
        for scheduler in self._models.values():
            if isinstance(scheduler, Scheduler):
                scheduler.prefixes.forget(which)
        disk.forget(which, tell)

    def cancel(self, request_id: int) -> None:
        """Drop a request, whosever it is."""
        for scheduler in self._models.values():
            scheduler.cancel(request_id)

    def close(self) -> None:
        """Free everything at the engine's end."""
        for scheduler in self._models.values():
            scheduler.close("the engine is shutting down")
        if self._disk is not None:
            self._disk.finish(WRITTEN_S)
            self._disk.close()

    def _await_owners(self) -> None:
        if self._checkpoints is not None and self._checkpoints.orphaned:
            self._orphaned_s = self._clock() + ORPHANED_S

    def _runner(self, backend: Any, spec: ModelSpec) -> AnyRunner:
        if spec.kind == "embedding":
            return EmbeddingScheduler(backend, spec, self._emit, self._tally, self._clock)
        told = self._emit, self._tally, self._clock
        key = state_key(spec, self._versions.get(spec.backend, ""))
        kept = kept_as(spec, key, self._disk)
        keyed = Keyed(self._checkpoints, key) if self._checkpoints and key else None
        return Scheduler(
            backend, spec, *told, outbox=self._outbox, find=self._language, kept=kept, keyed=keyed
        )

    def _language(self, model: str) -> Home:
        """Return the scheduler of a model that is to answer together with another.

        Raises EdgeError.
        """
        scheduler = self._models.get(model)
        if scheduler is None:
            return nobody(model)
        if not isinstance(scheduler, Scheduler):
            raise RequestError(f"{model} is a model for other tasks", param="edge.mode")
        return scheduler

    def _limit(self, scheduler: AnyRunner) -> None:
        scheduler.set_threads(self._limits.threads)
        scheduler.budget.most = self._limits.prefill_chunk
