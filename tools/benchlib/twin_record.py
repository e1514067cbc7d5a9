"""A simulated board around real processes that writes down what it truly does.

A process of its own: `python -m benchlib.twin_record OPTIONS`; see `recorded_twin`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from typing_extensions import override

from benchlib.boards import load_boards
from benchlib.looks import Look, write_line
from edge_rt.config.board import Board
from edge_rt.twin.load import WatchedLoad, WatchedUsage
from edge_rt.twin.plant import PlantState
from edge_rt.twin.run import Event, Twin, Watched, run

PERIOD_S = 0.1


class Past:
    """A load and a clock that begin with a past: time in which so many cores were busy.

    Each core of this machine stands for `each` cores of the board.
    """

    def __init__(self, load: Watched, seconds: float, cores: float, each: float = 1.0) -> None:
        self.now_s = 0.0  # of the last reading
        self.each = each
        self._load, self._seconds, self._cores = load, seconds, cores
        self._readings = 0

    @property
    def over(self) -> bool:
        """Whether the time up to the last reading was real."""
        return self._readings > 2

    def clock(self) -> float:
        """The monotonic clock; its first reading lies `seconds` earlier."""
        self._readings += 1
        self.now_s = time.monotonic() - (self._seconds if self._readings == 1 else 0.0)
        return self.now_s

    def look(self) -> WatchedUsage | None:
        """The load's usage; at the second look, what was used in the past."""
        usage = self._load.look()
        if usage is None:
            return None
        waiting_s = usage.gpu_s  # of one core of the board, whatever a core here stands for
        if self._readings == 1:  # the clock is read after it
            return replace(usage, busy_s=self.each * self._cores * self._seconds, gpu_s=0.0)
        return replace(usage, busy_s=self.each * (usage.busy_s - waiting_s) + waiting_s)


class RecordedTwin(Twin):
    """Writes a line for each step after those of the past."""

    def __init__(
        self,
        board: Board,
        root: Path,
        past: Past,
        record: TextIO,
        ambient_c: float = 25.0,
        seed: int = 0,
        events: Sequence[Event] = (),
    ) -> None:
        super().__init__(board, root, past, ambient_c, seed, events, past.clock)
        self._past, self._record = past, record

    @override
    def step(self) -> PlantState | None:
        before_s = self._past.now_s
        state = super().step()
        if state is not None and self._past.over:
            dt_s = self._past.now_s - before_s
            self._record.write(write_line(_seen(self._past.now_s, dt_s, state, self._past.each)))
            self._record.flush()
        return state


def _seen(now_s: float, dt_s: float, state: PlantState, each: float) -> Look:
    return Look(
        now_s,
        dt_s,
        state.busy_cores / each,
        state.total_w,
        state.chip_c,
        state.throttle_state,
    )


def main() -> None:
    """Simulate until SIGTERM, or until the watched process ends. Events count from the present.

    The watched process is a client, as of another machine: it does not heat the board itself.
    """
    options = _options()
    past = Past(
        WatchedLoad(options.watch, own=False), options.past_s, options.past_cores, options.each
    )
    events = [later(Event.parse(text), options.past_s) for text in options.event]
    root, board = Path(options.dir), load_boards()[options.board]
    with Path(options.record).open("w") as record:
        twin = RecordedTwin(board, root, past, record, options.ambient, options.seed, events)
        run(twin, PERIOD_S, lambda: print(root, flush=True))


def later(event: Event, seconds: float) -> Event:
    """The same so much later."""
    return replace(event, start_s=event.start_s + seconds, end_s=event.end_s + seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--board", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--watch", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ambient", type=float, default=25.0)
    parser.add_argument("--past-s", type=float, default=0.0)
    parser.add_argument("--past-cores", type=float, default=0.0)
    parser.add_argument("--each", type=float, default=1.0)
    parser.add_argument("--event", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
