"""A simulated board around real processes that writes down what it truly does.

A process of its own: `python -m benchlib.twin_record OPTIONS`; see `sim_board.recorded`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TextIO

from typing_extensions import override

from benchlib.boards import load_boards
from edge_rt.config.board import Board
from edge_rt.twin.load import WatchedLoad, WatchedUsage
from edge_rt.twin.plant import PlantState
from edge_rt.twin.run import Twin, Watched, run

PERIOD_S = 0.1


class Look(NamedTuple):
    """The time up to `time_s` of the monotonic clock, `dt_s` long, and the mean power in it."""

    time_s: float
    dt_s: float
    power_w: float


def write_line(look: Look) -> str:
    """Return a line of a record."""
    return f"{look.time_s:.6f} {look.dt_s:.6g} {look.power_w:.6g}\n"


def read_from(record: Path, offset: int) -> tuple[list[Look], int]:
    """Return the whole lines of a record from a byte on, and the byte at which to go on."""
    with record.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    looks = [Look(*map(float, line.split())) for line in whole.decode().splitlines()]
    return looks, offset + len(whole)


class Scaled:
    """A load of whose cores each stands for `each` cores of the board."""

    def __init__(self, load: Watched, each: float) -> None:
        self._load, self._each = load, each

    def look(self) -> WatchedUsage | None:
        """Return the usage; the core that waits for a GPU stands for one, whatever others do."""
        usage = self._load.look()
        if usage is None:
            return None
        return replace(usage, busy_s=self._each * (usage.busy_s - usage.gpu_s) + usage.gpu_s)


class RecordedTwin(Twin):
    """Writes a line for each step after the first."""

    def __init__(
        self, board: Board, root: Path, load: Watched, record: TextIO, seed: int = 0
    ) -> None:
        super().__init__(board, root, load, seed=seed, clock=self._clock_s)
        self._record, self._now_s, self._steps = record, 0.0, 0

    @override
    def step(self) -> PlantState | None:
        before_s = self._now_s
        state = super().step()
        if state is not None:
            self._steps += 1
            if self._steps > 1:
                look = Look(self._now_s, self._now_s - before_s, state.total_w)
                self._record.write(write_line(look))
                self._record.flush()
        return state

    def _clock_s(self) -> float:
        self._now_s = time.monotonic()
        return self._now_s


def main() -> None:
    """Simulate until SIGTERM, or until the watched process ends.

    The watched process is a client, as of another machine: it does not heat the board itself.
    """
    options = _options()
    load = Scaled(WatchedLoad(options.watch, own=False), options.each)
    root, board = Path(options.dir), load_boards()[options.board]
    with Path(options.record).open("w") as record:
        twin = RecordedTwin(board, root, load, record, options.seed)
        run(twin, PERIOD_S, lambda: print(root, flush=True))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("--board", "--dir", "--record"):
        parser.add_argument(name, required=True)
    parser.add_argument("--watch", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--each", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
