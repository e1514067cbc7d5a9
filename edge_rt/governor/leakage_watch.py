"""The chip's leakage, learnt while the engine is idle and kept from one start to the next."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import msgspec

from edge_rt.board.readers.clocks import CpuFreq
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.clock import Pause
from edge_rt.core.files import NewerFile, decode_kept, plain_name, read_regular, replace_file
from edge_rt.core.limits import Observation
from edge_rt.core.logs import Trouble
from edge_rt.thermal.idle import IdleLog, Stretch
from edge_rt.thermal.leakage import phi, voltage
from edge_rt.thermal.leakage_fit import LeakageFit, LeakagePrior, fit_leakage


class CoreVoltage:
    """The ratio of the cores' voltage at work to that at rest, by our formula for voltages.

    Idle cores are taken to be at their lowest clock.
    """

    def __init__(self, snapshot: Callable[[], BoardSnapshot | None]) -> None:
        """`snapshot` gives the last look at the board, which tells the clocks."""
        self._snapshot = snapshot
        self._known: tuple[float, float] | None = None  # lowest clock as a share, top clock

    def ratio(self, cpu_hz: float | None = None) -> float:
        """Voltage at the highest clock allowed, over that of idle cores.

        `cpu_hz` is that clock; None: the top one. The ratio is 1 where clocks cannot be read.
        """
        if self._known is None:
            self._known = self._read()
        if self._known is None:
            return 1.0
        low, top_hz = self._known
        clock = 1.0 if cpu_hz is None else min(1.0, max(low, cpu_hz / top_hz))
        return voltage(clock) / voltage(low)

    def _read(self) -> tuple[float, float] | None:
        if (snapshot := self._snapshot()) is None:
            return None
        # The hardware's top clock: the highest one allowed now may be a limit of the governor's.
        readers = [reader for reader in snapshot.sampler.readers if isinstance(reader, CpuFreq)]
        tops = {p.name: p.hardware_max_hz for reader in readers for p in reader.policies}
        lows = {name: snapshot.sampler.reading(f"{name} min", "clock_hz") for name in tops}
        ends = [
            (low.value, top_hz)
            for name, top_hz in tops.items()
            if top_hz and (low := lows[name]) is not None and low.value
        ]
        if not ends:
            return None
        low = fmean(min(1.0, low_hz / top_hz) for low_hz, top_hz in ends)
        return low, max(top_hz for _, top_hz in ends)


log = logging.getLogger(__name__)

SETTLE_S = 8.0  # after work, while the chip cools faster than its sensor follows
MEAN_S = 1.0  # of readings taken together
IDLE_CORES = 0.05  # that an engine with nothing to do may use
OTHER_CORES = 0.25  # that other programs may use on an idle board
REFIT_S = 600.0
SAVE_S = 3600.0  # between two writes at least, for the disk's sake
FILE = "leakage-{board}.json"
UNKNOWN = LeakagePrior()  # of a board of which nothing is known


class _Kept(msgspec.Struct):
    """What the file holds."""

    board: str
    fit: LeakageFit
    stretches: list[Stretch]


class LeakageWatch:
    """Pools idle power by temperature, fits leakage to it now and then, and keeps both on disk."""

    def __init__(self, state: Path | None, date: Callable[[], float] = time.time) -> None:
        """`state` is the folder to keep a file in, None: nowhere. `date` is in Unix seconds."""
        self._state, self._date = state, date
        self.trouble = Trouble(log, "the leakage of the chip cannot be written down")
        self._board: str | None = None
        self._newer = set[Path]()  # files of a later version
        self._snapshot: Callable[[], BoardSnapshot | None] = lambda: None
        self._prior, self._core = UNKNOWN, CoreVoltage(self._snapshot)
        self._log = IdleLog()
        self._fit: LeakageFit | None = None
        self.voltage = 1.0  # of cores at work over that of idle ones, at the last look
        self._saved, self._saved_at = list[Stretch](), 0.0
        self._quiet_s = self._mean_s = 0.0
        self._temp_sum = self._energy_j = 0.0

    @property
    def fit(self) -> LeakageFit:
        """The leakage, as far as it is known; an assumption is worked out when first asked for."""
        if self._fit is None:
            self._fit = fit_leakage((), self._prior, 0.0)
        return self._fit

    @fit.setter
    def fit(self, found: LeakageFit) -> None:
        self._fit = found

    @property
    def note(self) -> str:
        """The leakage and how well it is known, for people."""
        fit, growth = self.fit, self.fit.growth_w
        told = (
            f"doubles each {fit.leakage.doubling_c:.0f} K (95 %: {fit.doubling_c.low:.0f} to"
            f" {fit.doubling_c.high:.0f}), {growth.middle:.2g} W more at 70 than at 45 °C (95 %:"
            f" {growth.low:.2g} to {growth.high:.2g})"
        )
        if fit.missing is not None:
            return f"assumed: {told}; not measured, for {fit.missing}"
        return f"measured over {fit.span_c:.0f} K: {told}"

    @property
    def measured(self) -> bool:
        """Whether the leakage was measured; else it is assumed."""
        return self.fit.source == "measured"

    def power_w(self, temp_c: float) -> float:
        """Watts that leak at `temp_c` from a chip at work."""
        return self.fit.leakage.power_w(temp_c, self.voltage)

    def phi(self, power_w: float | None, temp_c: float | None) -> float | None:
        """Phi: dynamic power of a chip at work, over dynamic power and leakage; None: unknown."""
        if power_w is None or temp_c is None:
            return None
        dynamic_w = power_w - self.fit.other_w(temp_c) - self.power_w(temp_c)
        return phi(self.fit.leakage, dynamic_w, temp_c, self.voltage)

    def begin(
        self,
        board: str | None,
        prior: LeakagePrior = UNKNOWN,
        snapshot: Callable[[], BoardSnapshot | None] = lambda: None,
    ) -> None:
        """Watch a board, with the leakage learnt of it before, or at an earlier start.

        `snapshot` gives the last look at it.
        """
        self._snapshot, self._core = snapshot, CoreVoltage(snapshot)
        self.voltage = self._core.ratio()
        if board == self._board:
            return
        self.end()
        self._board, self._prior = board, prior
        kept = self._load()
        self._saved, self._saved_at = kept.stretches if kept else [], self._date()
        self._log = IdleLog(self._saved)
        self._fit = kept.fit if kept else None
        self._rest()

    def end(self) -> None:
        """Write new stretches to the disk."""
        if (news := self._news()) is not None:
            self._write(*news)

    def take(self, seen: Observation) -> None:
        quiet_s, self.voltage = self._quiet_s, self._core.ratio(seen.cpu_hz)
        self._quiet_s = 0.0 if _at_work(seen) else quiet_s + seen.dt_s
        temp_c, power_w = seen.temp_c, seen.power_w
        still = bool(self._quiet_s) and quiet_s >= SETTLE_S
        if not still or temp_c is None or power_w is None or not self._measures:
            self._rest()
            return
        self._mean_s += seen.dt_s
        self._temp_sum += seen.dt_s * temp_c
        self._energy_j += seen.dt_s * power_w
        if self._mean_s >= MEAN_S:
            temp_c, power_w = self._temp_sum / self._mean_s, self._energy_j / self._mean_s
            self._log.feed(seen.time_s, self._date(), temp_c, power_w)
            self._rest()

    async def run(self, pause: Pause = asyncio.sleep) -> None:
        """Fit again and again, for ever; off the event loop, for a fit takes tens of ms."""
        try:
            while True:
                await pause(REFIT_S)
                await self.refit()
                await self._save()
        finally:
            self.end()

    async def refit(self) -> None:
        idle, before = self._log, self.fit
        found = await asyncio.to_thread(fit_leakage, idle.stretches(), self._prior, self._date())
        if idle is not self._log:  # another board by now
            return
        self.fit = found
        if found.source != before.source:
            log.info("the leakage of the chip is %s", self.note)

    @property
    def _measures(self) -> bool:
        """Whether the board's power is measured, and not modelled."""
        snapshot = self._snapshot()
        return snapshot is None or (
            snapshot.supply is not None and snapshot.supply.quality == "measured"
        )

    @property
    def _path(self) -> Path | None:
        """Where this board's file is; None: nowhere."""
        if self._state is None or self._board is None:
            return None
        return self._state / FILE.format(board=plain_name(self._board))

    def _load(self) -> _Kept | None:
        if (path := self._path) is None:
            return None
        try:
            kept = decode_kept(read_regular(path), _Kept)
        except NewerFile as error:
            self._newer.add(path)
            self.trouble.met(f"{path}: {error}")
            return None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is of no use, the leakage is learnt again: %s", path, error)
            return None
        if not (kept.fit.possible and all(one.possible for one in kept.stretches)):
            log.warning("%s holds what no board shows: the leakage is learnt again", path)
            return None
        return kept if kept.board == self._board else None

    async def _save(self) -> None:
        """Write new stretches to the disk, at most once in SAVE_S."""
        if 0.0 <= self._date() - self._saved_at < SAVE_S:
            return
        if (news := self._news()) is not None:
            await asyncio.to_thread(self._write, *news)

    def _news(self) -> tuple[Path, bytes] | None:
        """The file to write and its content; None: nothing is new."""
        path, stretches = self._path, self._log.stretches()
        if path is None or self._board is None or stretches == self._saved:
            return None
        self._saved, self._saved_at = stretches, self._date()
        return path, msgspec.json.encode(_Kept(self._board, self.fit, stretches))

    def _write(self, path: Path, content: bytes) -> None:
        if path in self._newer:
            return
        try:
            replace_file(path, content)
        except OSError as error:
            self.trouble.met(f"{path}: {error.strerror or error}")
        else:
            self.trouble.over()

    def _rest(self) -> None:
        self._mean_s = self._temp_sum = self._energy_j = 0.0


def _at_work(seen: Observation) -> bool:
    """Whether the engine or another program is at work; a look without time counts as work."""
    if seen.dt_s <= 0.0 or seen.busy_s > 0.0 or seen.running > 0:
        return True
    if seen.others is not None and seen.others > OTHER_CORES:
        return True
    return seen.cpu_s is not None and seen.cpu_s > IDLE_CORES * seen.dt_s
