"""The chip's leakage, learnt while the engine is idle and kept from one start to the next."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from edge_rt.daemon.pause import Pause
from edge_rt.durable import plain_name, replace_file
from edge_rt.governor.limits import Observation
from edge_rt.thermal.cooling import LeakageFit, Rejected
from edge_rt.thermal.leakage import phi
from edge_rt.thermal.refit import LeakageTracker, fitted
from edge_rt.trouble import Trouble

log = logging.getLogger(__name__)

SETTLE_S = 3.0  # after work, in which the chip cools faster than its sensor tells
MEAN_S = 1.0  # of readings taken together
IDLE_CORES = 0.05  # that an engine with nothing to do may use
REFIT_S = 600.0
KEPT_EVERY = 6  # good fits: each one that is written costs the disk about 0.1 MB
FILE = "leakage-{board}.json"


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What the file holds."""

    board: str
    fit: LeakageFit


class LeakageWatch:
    """Feeds a tracker with idle power, has it fit now and then, and remembers the last good fit."""

    def __init__(self, state: Path | None) -> None:
        """`state` is the folder to keep a fit in; None: nowhere."""
        self._state = state
        self.trouble = Trouble(log, "the leakage of the chip cannot be written down")
        self.tracker = LeakageTracker()
        self._board: str | None = None
        self._kept: LeakageFit | None = None  # of an earlier start
        self._good = 0  # fits of this board
        self._quiet_s = self._mean_s = 0.0
        self._temp_sum = self._energy_j = 0.0

    @property
    def fit(self) -> LeakageFit | None:
        """The last good fit; None: the leakage is not known."""
        return self.tracker.fit or self._kept

    @property
    def note(self) -> str:
        """How well the leakage is known, for people."""
        fit = self.fit
        if fit is None:
            return f"not known: {self.tracker.rejection or 'not enough idle time yet'}"
        return (
            f"doubles each {fit.leakage.doubling_c:.0f} K (95 %: {fit.doubling_low_c:.0f} to"
            f" {fit.doubling_high_c:.0f}), R² {fit.r2:.2f} over {fit.span_c:.0f} K"
        )

    def power_w(self, temp_c: float) -> float:
        """Watts of leakage at `temp_c`; 0 as long as nothing is known of it."""
        fit = self.fit
        return 0.0 if fit is None else fit.leakage.power_w(temp_c)

    def phi(self, power_w: float | None, temp_c: float | None) -> float | None:
        """The share of the board's power that is neither leaked nor drawn anyway, see `phi`."""
        fit = self.fit
        if fit is None or power_w is None or temp_c is None:
            return None
        return phi(fit.leakage, power_w - fit.floor_w - fit.leakage.power_w(temp_c), temp_c)

    def begin(self, board: str | None) -> None:
        """Watch another board; what was learnt of it at an earlier start holds again."""
        if board == self._board:
            return
        self._board, self.tracker = board, LeakageTracker()
        self._kept, self._good = self._load(), 0
        self._rest()

    def take(self, seen: Observation) -> None:
        """Take a look of the governor."""
        quiet_s = self._quiet_s
        self._quiet_s = 0.0 if _at_work(seen) else quiet_s + seen.dt_s
        temp_c, power_w = seen.temp_c, seen.power_w
        if not self._quiet_s or quiet_s < SETTLE_S or temp_c is None or power_w is None:
            self._rest()
            return
        self._mean_s += seen.dt_s
        self._temp_sum += seen.dt_s * temp_c
        self._energy_j += seen.dt_s * power_w
        if self._mean_s >= MEAN_S:
            mean_s = self._mean_s
            self.tracker.feed(seen.time_s, self._temp_sum / mean_s, self._energy_j / mean_s)
            self._rest()

    async def run(self, pause: Pause = asyncio.sleep) -> None:
        """Fit again and again, for ever; off the event loop, for a fit takes tens of ms."""
        while True:
            await pause(REFIT_S)
            await self.refit()

    async def refit(self) -> None:
        """Fit what was seen, and keep a good fit, the first one and then one in KEPT_EVERY."""
        tracker, before = self.tracker, self.tracker.rejection
        found = await asyncio.to_thread(fitted, tracker.samples())
        tracker.accept(found)
        if isinstance(found, Rejected):
            if before is None:
                log.info("the leakage of the chip is not fitted anew: %s", found.reason)
        elif tracker is self.tracker:
            if self._good % KEPT_EVERY == 0:
                await asyncio.to_thread(self._save, found)
            self._good += 1

    @property
    def _path(self) -> Path | None:
        """Where the fit of this board is kept; None: nowhere."""
        if self._state is None or self._board is None:
            return None
        return self._state / FILE.format(board=plain_name(self._board))

    def _load(self) -> LeakageFit | None:
        if (path := self._path) is None:
            return None
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is of no use and left alone: %s", path, error)
            return None
        return kept.fit if kept.board == self._board else None

    def _save(self, fit: LeakageFit) -> None:
        if (path := self._path) is None or self._board is None:
            return
        content = msgspec.json.format(msgspec.json.encode(_Kept(self._board, fit)), indent=1)
        try:
            replace_file(path, content)
        except OSError as error:
            self.trouble.met(f"{path}: {error.strerror or error}")
        else:
            self.trouble.over()

    def _rest(self) -> None:
        self._mean_s = self._temp_sum = self._energy_j = 0.0


def _at_work(seen: Observation) -> bool:
    """Whether the engine does anything, for requests or else; so it is where a look is void."""
    if seen.dt_s <= 0.0 or seen.busy_s > 0.0 or seen.running > 0:
        return True
    return seen.cpu_s is not None and seen.cpu_s > IDLE_CORES * seen.dt_s
