"""The chip's leakage, learnt at rest and at constant work, and kept from one start to the next."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.clock import Pause
from edge_rt.core.files import NewerFile, decode_kept, plain_name, read_regular, replace_file
from edge_rt.core.limits import Observation
from edge_rt.core.logs import Trouble
from edge_rt.thermal.leakage import Block, LeakagePrior, Slope, fit_leakage, phi, slopes_of

GAP_S = 5.0  # not seen for longer, a board may have done anything
SETTLE_S = 8.0  # after a change of load, while the chip warms or cools faster than its sensor
BLOCK_S = 10.0  # of readings taken together
LONGEST = 360  # blocks of a stretch
IDLE_CORES = 0.05  # that an engine with nothing to do may use
OTHER_CORES = 0.25  # that other programs may use
BUSY = 0.95  # least share of the time that constant work computes: limits hold nothing back
MOST_SLOPES = 128  # newest ones of rests, and as many of work, which are kept
REFIT_S = 600.0
SAVE_S = 3600.0  # between two writes at least, for the disk's sake
FILE, VERSION = "leakage-{board}.json", 2
UNKNOWN = LeakagePrior()  # of a board of which nothing is known

log = logging.getLogger(__name__)


class _Load(NamedTuple):
    """What stays alike while power changes with the temperature alone."""

    fan: float | None  # it draws power, too
    at_work: bool = False
    threads: int = 0
    running: int = 0
    cpu_hz: float | None = None
    gpu_hz: float | None = None


class _Kept(msgspec.Struct):
    """The content of the file; that of version 1 has no slopes."""

    board: str | None
    slopes: list[Slope] = msgspec.field(default_factory=list[Slope])
    version: int = VERSION


class LeakageWatch:
    """Pools slopes of power over temperature, fits leakage to them, and keeps them on disk."""

    def __init__(self, state: Path | None, date: Callable[[], float] = time.time) -> None:
        """`state` is the folder to keep a file in, None: nowhere. `date` is in Unix seconds."""
        self._state, self._date = state, date
        self.trouble = Trouble(log, "the leakage of the chip cannot be written down")
        self._board: str | None = None
        self._path: Path | None = None
        self._snapshot: Callable[[], BoardSnapshot | None] = lambda: None
        self._prior, self._slopes = UNKNOWN, list[Slope]()
        self.fit = fit_leakage((), UNKNOWN)
        self._saved, self._saved_at = list[Slope](), 0.0
        self._load: _Load | None = None
        self._steady_s = 0.0
        self._blocks = list[Block]()  # of the present stretch
        self._looks = list[tuple[float, float, float, float]]()  # s, °C, W and busy s

    @property
    def note(self) -> str:
        """The leakage and how well it is known, for people."""
        fit, growth, doubling = self.fit, self.fit.growth_w, self.fit.doubling_c
        told = (
            f"doubles each {doubling.middle:.0f} K (95 %: {doubling.low:.0f} to"
            f" {doubling.high:.0f}), {growth.middle:.2g} W more at 70 than at 45 °C (95 %:"
            f" {growth.low:.2g} to {growth.high:.2g})"
        )
        if fit.missing is not None or fit.seen_c is None:
            return f"assumed: {told}; not measured, for {fit.missing}"
        return f"measured at {fit.seen_c[0]:.0f} to {fit.seen_c[1]:.0f} °C: {told}"

    @property
    def measured(self) -> bool:
        """Whether the leakage was measured; else it is assumed."""
        return self.fit.source == "measured"

    def power_w(self, temp_c: float) -> float:
        """Return the watts that leak at `temp_c` from a chip at work."""
        return self.fit.leakage.power_w(temp_c, self.fit.work_ratio)

    def phi(self, power_w: float | None, temp_c: float | None) -> float | None:
        """Return Phi of a chip at work; None: power or temperature is not known."""
        if power_w is None or temp_c is None:
            return None
        dynamic_w = power_w - self.fit.other_w(temp_c) - self.power_w(temp_c)
        return phi(self.fit.leakage, dynamic_w, temp_c, self.fit.work_ratio)

    def begin(
        self,
        board: str | None,
        prior: LeakagePrior = UNKNOWN,
        snapshot: Callable[[], BoardSnapshot | None] = lambda: None,
    ) -> None:
        """Watch a board, with the leakage learnt of it before, or at an earlier start.

        `snapshot` gives the last look at it.
        """
        self._snapshot = snapshot
        if board == self._board:
            return
        self.end()
        self._board, self._prior, self._path = board, prior, None
        if self._state is not None and board is not None:
            self._path = self._state / FILE.format(board=plain_name(board))
        self._saved, self._saved_at = self._read(), self._date()
        self._slopes = self._saved
        self.fit = fit_leakage(self._slopes, prior)

    def end(self) -> None:
        """Write new slopes to the disk."""
        self._end_stretch()
        self._write(self._slopes)

    def take(self, seen: Observation) -> None:
        """Take a look at the board."""
        load = _steady(seen) if self._measures else None
        if load != self._load:
            self._end_stretch()
            if load is None or self._load is None or load[1:] != self._load[1:]:
                self._steady_s = 0.0  # more than the fan has changed
            self._load = load
        self._steady_s += seen.dt_s
        temp_c, power_w = seen.temp_c, seen.power_w
        if load is None or self._steady_s <= SETTLE_S or temp_c is None or power_w is None:
            return
        self._looks.append((seen.dt_s, temp_c, power_w, seen.busy_s))
        if sum(look[0] for look in self._looks) >= BLOCK_S:
            self._end_block()

    def _end_block(self) -> None:
        looks, seconds = self._looks, sum(look[0] for look in self._looks)
        self._looks = []
        if self._at_work and sum(look[3] for look in looks) < BUSY * seconds:
            self._end_stretch()
            return
        temp_c = sum(look[0] * look[1] for look in looks) / seconds
        self._blocks.append(Block(temp_c, sum(look[0] * look[2] for look in looks) / seconds))
        if len(self._blocks) >= LONGEST:
            self._end_stretch()

    def _end_stretch(self) -> None:
        self._slopes = _newest([*self._slopes, *self._present])
        self._blocks, self._looks = [], []

    @property
    def _present(self) -> list[Slope]:
        """The slopes of the present stretch."""
        return slopes_of(self._blocks, self._at_work, self._prior.step_w)

    @property
    def _at_work(self) -> bool:
        return self._load is not None and self._load.at_work

    def refit(self) -> None:
        """Fit leakage to all slopes, those of the present stretch among them."""
        source = self.fit.source
        self.fit = fit_leakage([*self._slopes, *self._present], self._prior)
        if self.fit.source != source:
            log.info("the leakage of the chip is %s", self.note)

    async def run(self, pause: Pause = asyncio.sleep) -> None:
        """Fit again and again, for ever, and write new slopes to the disk now and then."""
        try:
            while True:
                await pause(REFIT_S)
                self.refit()
                if not 0.0 <= self._date() - self._saved_at < SAVE_S:
                    await asyncio.to_thread(self._write, self._slopes)
        finally:
            self.end()

    @property
    def _measures(self) -> bool:
        """Whether the board's power is measured, and not modelled."""
        snapshot = self._snapshot()
        return snapshot is None or (
            snapshot.supply is not None and snapshot.supply.quality == "measured"
        )

    def _read(self) -> list[Slope]:
        """Return the slopes of an earlier start; a file of a later version is left alone."""
        if self._path is None:
            return []
        try:
            return _slopes(read_regular(self._path), self._board)
        except NewerFile as error:
            self.trouble.met(f"{self._path}: {error}")
            self._path = None
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is of no use, the leakage is learnt again: %s", self._path, error)
        return []

    def _write(self, slopes: list[Slope]) -> None:
        if self._path is None or slopes == self._saved:
            return
        self._saved, self._saved_at = slopes, self._date()
        try:
            replace_file(self._path, msgspec.json.encode(_Kept(self._board, slopes)))
        except OSError as error:
            self.trouble.met(f"{self._path}: {error.strerror or error}")
        else:
            self.trouble.over()


def _slopes(content: bytes, board: str | None) -> list[Slope]:
    """Return what a file holds of a board; ValueError where no board can have shown it."""
    kept = decode_kept(content, _Kept, VERSION)
    if not all(slope.possible for slope in kept.slopes):
        raise ValueError("it holds what no board shows")
    return kept.slopes if kept.board == board else []


def _newest(slopes: Sequence[Slope]) -> list[Slope]:
    """Return the newest slopes of rests and of work: neither kind pushes out the other."""
    rests = [slope for slope in slopes if not slope.at_work]
    work = [slope for slope in slopes if slope.at_work]
    return [*rests[-MOST_SLOPES:], *work[-MOST_SLOPES:]]


def _steady(seen: Observation) -> _Load | None:
    """Return the load; None where it may have changed during the look, or others are at work."""
    if not 0.0 < seen.dt_s <= GAP_S or (seen.others is not None and seen.others > OTHER_CORES):
        return None
    fan = None if seen.fan is None else round(seen.fan, 2)
    idle = seen.cpu_s is None or seen.cpu_s <= IDLE_CORES * seen.dt_s
    if idle and seen.busy_s <= 0.0 and seen.running <= 0:
        return _Load(fan)
    if seen.running <= 0 or seen.prompt_s > 0.0:
        return None
    return _Load(fan, True, seen.threads, seen.running, seen.cpu_hz, seen.gpu_hz)
