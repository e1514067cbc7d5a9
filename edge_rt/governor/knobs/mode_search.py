"""The power mode with the fewest joules a token, found by a few probes of the work itself."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from edge_rt.board_model.roofline import gpu_cores_hz
from edge_rt.config.board import Board
from edge_rt.core.clock import in_thread
from edge_rt.core.reports.board import Booking
from edge_rt.governor.knobs.board_knobs import BoardKnobs

PROBES = 5  # modes that are tried, at most
PROBE_TOKENS = 256  # that answers write in each of them
LEAST_TOKENS = 16  # of an answer that counts: shorter ones tell of their prompt
GOLDEN = 0.618  # of a gap, where the next probe of it lies

_WATTS = re.compile(r"(\d+)W")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probe:
    """What answers took in one mode."""

    token_j: float
    tokens_per_s: float


@dataclass
class ModeSearch:
    """Chooses what to probe next among `modes`, from the slowest to the fastest.

    Up to PROBES modes are all probed. Of more the joules a token are taken to fall and then to rise
    with the speed: the next probe parts the wider gap beside the best one. A mode that writes fewer
    than `least_per_s` tokens a second counts as worse than any that is fast enough.
    """

    modes: list[str]
    least_per_s: float = 0.0
    found: dict[str, Probe] = field(default_factory=dict[str, Probe])

    @property
    def best(self) -> str | None:
        """The mode with the fewest joules a token that is fast enough, else the fastest."""
        return min(self.found, key=lambda mode: self._cost(self.found[mode]), default=None)

    @property
    def next(self) -> str | None:
        """The mode to probe; None: there is nothing more to learn."""
        missing = [mode for mode in self.modes if mode not in self.found]
        if not missing or len(self.found) >= PROBES:
            return None
        if len(self.modes) <= PROBES:
            return missing[-1]
        best = self.best
        known = sorted(self.modes.index(mode) for mode in self.found)
        middle = -1 if best is None else self.modes.index(best)
        below = max((at for at in known if at < middle), default=-1)
        above = min((at for at in known if at > middle), default=len(self.modes))
        low, high = max((below, middle), (middle, above), key=lambda gap: gap[1] - gap[0])
        at = round(low + GOLDEN * (high - low) if low == middle else high - GOLDEN * (high - low))
        at = min(max(at, low + 1), high - 1)
        return self.modes[at] if self.modes[at] in missing else None

    def drop(self, mode: str) -> None:
        """Leave out a mode that cannot be set."""
        self.modes.remove(mode)

    def _cost(self, probe: Probe) -> tuple[float, float]:
        if probe.tokens_per_s < self.least_per_s:
            return math.inf, -probe.tokens_per_s
        return probe.token_j, 0.0


def mode_speed(board: Board | None, mode: str) -> float:
    """Return a figure that orders the modes of a board by speed: its GPU's, else the name's watts.

    A mode that nothing is known of is taken for the fastest.
    """
    known = None if board is None or mode not in board.power_modes else gpu_cores_hz(board, mode)
    watts = _WATTS.search(mode)
    return known or (float(watts[1]) if watts else math.inf)


class EfficientMode:
    """Probes power modes while answers are written, and stays in the best one.

    The answers of one model count, that of the first one; other work is done as ever.
    """

    def __init__(
        self,
        knobs: BoardKnobs,
        idle_w: Callable[[], float | None],
        board: Callable[[], Board | None],
        wall: Callable[[], float],
        least_per_s: float | None = None,
    ) -> None:
        """`idle_w` gives what the board draws at rest in the present mode; None: not known.

        `board` tells which modes are fast, `wall` gives Unix seconds; see ModeSearch.
        """
        self.search = ModeSearch([], least_per_s or 0.0)
        self._knobs, self._idle_w, self._board, self._wall = knobs, idle_w, board, wall
        self._model: str | None = None
        self._since = math.inf  # Unix seconds; answers that began before are of another mode
        self._tokens, self._busy_s, self._energy_j = 0, 0.0, 0.0
        self._done = asyncio.Event()

    def hear(self, record: Booking) -> None:
        """Take an answer that has ended."""
        idle_w, energy_j = self._idle_w(), record.energy_j
        if record.ended - record.seconds < self._since or record.status != "done":
            return
        if record.completion_tokens < LEAST_TOKENS or energy_j is None or idle_w is None:
            return
        self._model = self._model or record.model
        if record.model != self._model:
            return
        self._tokens += record.completion_tokens
        self._busy_s += record.busy_s
        self._energy_j += energy_j + idle_w * record.busy_s
        if self._tokens >= PROBE_TOKENS:
            self._done.set()

    async def run(self) -> None:
        """Probe until there is nothing more to learn, then set the best mode."""
        speed = partial(mode_speed, self._board())
        self.search.modes = sorted(await in_thread(self._knobs.modes), key=speed)
        if not self.search.modes:
            log.warning("knobs.nvpmodel: there is no nvpmodel here: power modes are for Jetsons")
        while (mode := self.search.next) is not None:
            if not await self._knobs.switch(mode):
                self.search.drop(mode)
                continue
            self.search.found[mode] = await self._probe()
        if (best := self.search.best) is not None:
            await self._knobs.switch(best)
            told = self.search.found[best]
            log.info("power mode %s takes the fewest joules a token: %.3g J", best, told.token_j)

    async def _probe(self) -> Probe:
        self._tokens, self._busy_s, self._energy_j = 0, 0.0, 0.0
        self._done.clear()
        self._since = self._wall()
        await self._done.wait()
        self._since = math.inf
        return Probe(self._energy_j / self._tokens, self._tokens / self._busy_s)
