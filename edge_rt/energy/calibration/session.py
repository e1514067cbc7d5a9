"""One calibration from its beginning to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_rt.board_model.calibration import ModelCalibration, save_calibration
from edge_rt.core.errors import StoreError, Unavailable
from edge_rt.core.reports.planning import Progress
from edge_rt.core.routing import LoadConfig
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.energy.calibration.readiness import Readiness, Unready
from edge_rt.energy.calibration.result import calibration
from edge_rt.energy.calibration.timing import ModelTimer, Thoroughness, shares_s
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.engine.model_pool import Resident
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.report import thread_count
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.record import ModelRecord

log = logging.getLogger(__name__)

WATCH_S = 4.0  # of a board at rest
LOAD_S = 5.0  # after which a model that was loaded otherwise may be asked for again
SHORTEST_S = 2.0  # below which a thread count is not begun


@dataclass(frozen=True)
class Tools:
    """What a calibration is made with.

    `resident` has a model in memory while its block runs. `loads` gives the ways to load a model,
    the first for each number of layers on a GPU, and `loaded` the present one. Files go
    to `folder`; `clock` is in seconds, `wall` gives the date.
    """

    models: ModelDirectory
    resident: Callable[[ModelRecord, LoadConfig | None], AbstractAsyncContextManager[Resident]]
    forecaster: Forecaster
    loads: Callable[[ModelRecord], Sequence[LoadConfig]]
    loaded: Callable[[ModelRecord], LoadConfig]
    timing: ModelTimer
    readiness: Readiness
    leakage: LeakageWatch
    folder: Path
    clock: Callable[[], float]
    wall: Callable[[], datetime]


class Session:
    """The steps of a calibration: rest, and models with each number of threads."""

    def __init__(
        self,
        tools: Tools,
        how: Thoroughness,
        entries: Sequence[ModelRecord],
        counts: Sequence[int],
    ) -> None:
        """Prepare the steps; `counts` are those of threads, the most telling first."""
        self._tools, self._how, self._counts = tools, how, counts
        self._ways = list[tuple[ModelRecord, LoadConfig | None]]()
        for entry in entries:  # one way for each offload; None: the present one
            found = tools.loads(entry)
            many = len(found) > 1 and how.total_s is None
            self._ways += [(entry, load) for load in (found if many else [None])]
        self._begin_s, self._done_s = tools.clock(), 0.0
        self.saved = 0  # calibrations
        timed_s = len(self._ways) * sum(map(self._expected_s, counts))
        self._whole_s = WATCH_S + timed_s
        self.expected_s = how.total_s or self._whole_s

    async def run(self, force: bool) -> AsyncGenerator[Progress]:
        """Yield the progress. Raises Unready, Unavailable and EngineError.

        `force`: although other programs are at work.
        """
        readiness = self._tools.readiness
        yield self._at("watching the board at rest")
        crowd = await readiness.crowd(WATCH_S)
        if crowd is not None and not force:
            raise Unready(crowd)
        await readiness.wait(self._how.patience_s)
        self._done_s += WATCH_S
        for entry, load in self._ways:
            async with aclosing(self._way(entry, load)) as said:
                async for word in said:
                    yield word

    async def _way(self, entry: ModelRecord, load: LoadConfig | None) -> AsyncGenerator[Progress]:
        """Time one model, loaded in one way, with all thread counts; save it once complete."""
        name = entry.id if load is None else f"{entry.id}, {load.gpu_layers} layers on the GPU"
        yield self._at(f"loading {name}")
        found: list[ModelCalibration] = []
        try:
            async with self._tools.resident(entry, load) as resident:
                self._check(entry, load)
                for number, threads in enumerate(self._counts):
                    came: list[Measurement] = []
                    if (seconds := self._seconds(number)) >= SHORTEST_S:
                        about = entry, resident, threads, self._how, seconds, came
                        async with aclosing(self._tools.timing.time(*about)) as runs:
                            async for run, share in runs:
                                words = f"{thread_count(threads)}: {run.prompt_tokens} tokens"
                                part_s = share * self._expected_s(threads)
                                yield self._at(f"{name}, {words}", part_s)
                        found += self._fitted(entry, threads, came)
                    self._done_s += self._expected_s(threads)
        except Unavailable as error:
            if len(self._ways) == 1:
                raise
            log.warning("%s is not calibrated: %s", name, error)
        await self._save(found)

    def _at(self, doing: str, part_s: float = 0.0) -> Progress:
        """Return the progress, with `part_s` of the present step done."""
        return Progress(min(0.99, (self._done_s + part_s) / self._whole_s), doing)

    def _expected_s(self, threads: int) -> float:
        """Return the seconds that a thread count is expected to take: fewer take longer."""
        return self._how.model_s * min(self._counts) / threads

    def _seconds(self, number: int) -> float:
        """Return the seconds that the thread count at index `number` may take."""
        if self._how.total_s is None:
            return self._how.model_s
        left_s = self._how.total_s - (self._tools.clock() - self._begin_s)
        return min(self._how.model_s, shares_s(self._counts[number:], left_s))

    def _check(self, entry: ModelRecord, load: LoadConfig | None) -> None:
        """Raise Unavailable if the model was loaded in another form."""
        loaded = self._tools.loaded(entry)
        if load is not None and loaded != load:
            layers, kv_type = loaded
            why = f"it could only be had with {layers} layers on the GPU and its KV in {kv_type}"
            raise Unavailable(why, retry_after_s=LOAD_S)

    def _fitted(
        self, entry: ModelRecord, threads: int, came: Sequence[Measurement]
    ) -> list[ModelCalibration]:
        """Return the calibration of these runs; none if they tell too little."""
        tools, load = self._tools, self._tools.loaded(entry)
        shape = tools.forecaster.shape(entry, load)
        about = tools.forecaster.board, entry, load, threads
        try:
            return [calibration(*about, came, shape, tools.wall())]
        except ValueError as error:  # too slow for the time that there is
            log.warning("%s with %d threads is not calibrated: %s", entry.id, threads, error)
            return []

    async def _save(self, found: Sequence[ModelCalibration]) -> None:
        folder = self._tools.folder
        try:
            for one in found:
                await asyncio.to_thread(save_calibration, folder, one)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error
        self._tools.forecaster.take(found)
        self.saved += len(found)
