"""One calibration from its beginning to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from edge_rt.core.clock import Pause
from edge_rt.core.errors import StoreError, Unavailable
from edge_rt.core.reports.planning import Progress
from edge_rt.core.routing import LoadConfig
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.energy.calibration.record import ModelCalibration, Sweep, save_calibration
from edge_rt.energy.calibration.result import calibration
from edge_rt.energy.calibration.sweep import LOOK_S, SWEEP_S, Readiness, Sweeper, Unready
from edge_rt.energy.calibration.timing import ModelTimer, ProgressEstimate, Thoroughness, shares_s
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.engine.model_pool import Resident
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.report import thread_count
from edge_rt.models.record import ModelRecord

log = logging.getLogger(__name__)

WATCH_S = 4.0  # of a board at rest
KERNEL_S = 0.8  # of a sweep
LOAD_S = 5.0  # that loading a model is taken to last
SHORTEST_S = 2.0  # below which a thread count is not begun
COOL_S = 60.0  # that a board is watched while it cools, about
SPAN_C = 5.0  # from rest to work, without which cooling tells nothing
STILL_S, STILL_C = 60.0, 0.3  # a board that cools no faster has cooled
FIT_S = 30.0  # between two looks whether the leakage is known by now


class CalibrationHost(Protocol):
    """What finds models and has the engine load them."""

    def entry(self, model: str) -> ModelRecord:
        """Return one model; raise ModelNotFound. Resolves "default"."""
        ...

    def entries(self) -> list[ModelRecord]:
        """Return all models in the store."""
        ...

    def resident(
        self, entry: ModelRecord, partner: ModelRecord | None = None, load: LoadConfig | None = None
    ) -> AbstractAsyncContextManager[Resident]:
        """`entry` in the engine's memory while the block runs; see ModelManager."""
        ...


@dataclass(frozen=True)
class Tools:
    """What a calibration is made with.

    `loads` gives the ways to load a model, the first for each number of layers on a GPU, and
    `loaded` the present one. `overlooking` has the governor learn nothing; files go to `folder`.
    `clock` is in seconds, `pause` lets them pass, and `wall` gives the date.
    """

    forecaster: Forecaster
    loads: Callable[[ModelRecord], Sequence[LoadConfig]]
    loaded: Callable[[ModelRecord], LoadConfig]
    timing: ModelTimer
    sweeper: Sweeper
    readiness: Readiness
    heat: Heat
    overlooking: Callable[[], AbstractContextManager[None]]
    folder: Path
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    pause: Pause


class Session:
    """The steps of a calibration: rest, ceilings, models, and the chip's leakage."""

    def __init__(
        self,
        tools: Tools,
        how: Thoroughness,
        entries: Sequence[ModelRecord],
        counts: Sequence[int],
        host: CalibrationHost,
    ) -> None:
        """`counts` of threads, the most telling first, with which the ceilings are found."""
        self._tools, self._how, self._host, self._counts = tools, how, host, counts
        self._ways = [(entry, load) for entry in entries for load in self._loads(entry)]
        self._sweep: Sweep | None = None
        self._cold_c: float | None = None  # before anything was begun
        self.saved = 0  # calibrations
        self.remark: str | None = None  # why the chip's leakage could not be measured
        timed_s = [how.model_s * min(counts) / count for _ in self._ways for count in counts]
        steps_s = [WATCH_S, SWEEP_S * KERNEL_S, *timed_s, COOL_S * how.cools]
        self._progress = ProgressEstimate(tools.clock, steps_s)
        self.expected_s = how.total_s or sum(steps_s)

    def _loads(self, entry: ModelRecord) -> Sequence[LoadConfig | None]:
        """Return the load configurations to time, one for each offload; None: the present one."""
        found = self._tools.loads(entry)
        return found if len(found) > 1 and self._how.total_s is None else [None]

    async def run(self, force: bool) -> AsyncGenerator[Progress]:
        """Yield the progress. Raises Unready, Unavailable and EngineError.

        `force`: although other programs are at work.
        """
        for step in self._steps(force):
            async with aclosing(step) as said:
                async for word in said:
                    yield word

    def _steps(self, force: bool) -> Iterator[AsyncGenerator[Progress]]:
        yield self._rest(force)
        yield self._find_ceilings()
        for entry, load in self._ways:
            yield self._way(entry, load)
        if self._how.cools:
            yield self._cool()

    async def _rest(self, force: bool) -> AsyncGenerator[Progress]:
        self._cold_c = self._tools.readiness.temp_c
        self._progress.begin()
        yield self._progress.at("watching the board at rest", WATCH_S)
        crowd = await self._tools.readiness.crowd(WATCH_S)
        if crowd is not None and not force:
            raise Unready(crowd)

    async def _find_ceilings(self) -> AsyncGenerator[Progress]:
        await self._tools.readiness.wait(self._how.patience_s)
        self._progress.begin()
        threads, doing = self._counts[0], f"ceilings with {thread_count(self._counts[0])}"
        yield self._progress.at(doing, SWEEP_S * KERNEL_S)
        with self._tools.overlooking():
            self._sweep = await self._tools.sweeper.sweep(threads, KERNEL_S)

    async def _way(self, entry: ModelRecord, load: LoadConfig | None) -> AsyncGenerator[Progress]:
        """Time one model, loaded in one way, with all thread counts; save it once complete."""
        yield self._progress.at(f"loading {_called(entry, load)}", LOAD_S)
        found: list[ModelCalibration] = []
        try:
            async with self._host.resident(entry, load=load) as resident:
                self._check(entry, load)
                for number in range(len(self._counts)):
                    count = self._count(entry, load, resident, number, found)
                    async with aclosing(count) as said:
                        async for word in said:
                            yield word
        except Unavailable as error:
            if len(self._ways) == 1:
                raise
            log.warning("%s is not calibrated: %s", _called(entry, load), error)
        await self._save(found)

    def _check(self, entry: ModelRecord, load: LoadConfig | None) -> None:
        """Raise Unavailable if the model was loaded in another form."""
        loaded = self._tools.loaded(entry)
        if load is not None and loaded != load:
            layers, kv_type = loaded
            why = f"it could only be had with {layers} layers on the GPU and its KV in {kv_type}"
            raise Unavailable(why, retry_after_s=LOAD_S)

    async def _count(
        self,
        entry: ModelRecord,
        load: LoadConfig | None,
        resident: Resident,
        number: int,
        found: list[ModelCalibration],
    ) -> AsyncGenerator[Progress]:
        """Time one thread count, and add its calibration to `found`."""
        threads, seconds, name = self._counts[number], self._seconds(number), _called(entry, load)
        self._progress.begin()
        if seconds < SHORTEST_S:
            return
        came: list[Measurement] = []
        timing = self._tools.timing.time(entry, resident, threads, self._how, seconds, came)
        async with aclosing(timing) as runs:
            async for run, left_s in runs:
                words = f"{name}, {thread_count(threads)}: {run.prompt_tokens} tokens"
                yield self._progress.at(words, left_s)
        tools, sweep = self._tools, None if number else self._sweep
        about = tools.forecaster.board, entry, tools.loaded(entry), threads
        try:
            found.append(calibration(*about, came, sweep, tools.wall()))
        except ValueError as error:  # too slow for the time that there is
            log.warning("%s with %d threads is not calibrated: %s", name, threads, error)

    def _seconds(self, number: int) -> float:
        """Return the seconds for the thread count at index `number`."""
        if self._how.total_s is None:
            return self._how.model_s
        left_s = self._how.total_s - self._progress.elapsed_s
        return min(self._how.model_s, shares_s(self._counts[number:], left_s))

    async def _save(self, found: Sequence[ModelCalibration]) -> None:
        folder = self._tools.folder
        try:
            for one in found:
                await asyncio.to_thread(save_calibration, folder, one)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error
        self._tools.forecaster.take(found)
        self.saved += len(found)

    async def _cool(self) -> AsyncGenerator[Progress]:
        """Let the board cool, while the governor's looks teach its leakage, until that is known
        or the board cools no further."""
        leakage, begin_c = self._tools.heat.leakage, self._tools.readiness.temp_c
        self._progress.begin()
        leakage.refit()
        self.remark = _too_cool(self._cold_c, begin_c)
        if self.remark is not None or begin_c is None:
            return
        temps_c, waited_s = [begin_c], 0.0
        while _falls(temps_c) and not (leakage.measured and waited_s >= FIT_S):
            yield self._progress.at("watching the board cool", max(FIT_S, COOL_S - waited_s))
            await self._tools.pause(LOOK_S)
            waited_s += LOOK_S
            temps_c.append(self._tools.readiness.temp_c or temps_c[-1])
            if waited_s % FIT_S < LOOK_S:
                leakage.refit()
        leakage.refit()
        fell_c = begin_c - min(temps_c)
        self.remark = f"it cooled by {fell_c:.1f} K in {waited_s:.0f} s, and no further"


def _called(entry: ModelRecord, load: LoadConfig | None) -> str:
    return entry.id if load is None else f"{entry.id}, {load.gpu_layers} layers on the GPU"


def _too_cool(cold_c: float | None, begin_c: float | None) -> str | None:
    """Return why the board's cooling tells nothing; None: it may tell something."""
    if cold_c is None or begin_c is None:
        return "its temperature cannot be read"
    if begin_c - cold_c < SPAN_C:
        return f"work warmed it by {begin_c - cold_c:.1f} K only, and {SPAN_C:.0f} K are the least"
    return None


def _falls(temps_c: Sequence[float]) -> bool:
    """Return whether the temperature has fallen in the last STILL_S seconds."""
    looks = int(STILL_S / LOOK_S)
    return len(temps_c) <= looks or temps_c[-looks - 1] - temps_c[-1] >= STILL_C
