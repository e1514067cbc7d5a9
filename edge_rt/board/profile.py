"""Which board this is, and what its profile adds to what can be found on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_rt.board.detection import detect
from edge_rt.board.discovery import MakeReader, Roots, WantedReaders
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.ina3221_i2c import raw_chips
from edge_rt.board.readers.modelled import Coefficients
from edge_rt.board.supply import known_of, measured
from edge_rt.config.board import Board
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.paths import Paths
from edge_rt.core.plugins import readers
from edge_rt.core.reports.board import BoardName

UNKNOWN = "unknown"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BoardChoice:
    """The profile in use and the name by which clients know it; both None on an unknown board."""

    board: Board | None = None
    name: BoardName | None = None

    @property
    def id(self) -> str:
        """The profile's id."""
        return UNKNOWN if self.name is None else self.name.id


def choose(configured: str | None, root: Path, paths: Paths) -> BoardChoice:
    """Return the profile that the configuration names, else that of the board below `root`.

    Faulty profiles are logged and left out.
    """
    boards, faults = check_boards(board_dirs(paths))
    for fault in faults:
        log.warning("a board profile cannot be used: %s", fault)
    if configured is not None:
        board = boards.get(configured)
        if board is None:
            log.error("there is no usable board profile %r: going on without one", configured)
            return BoardChoice()
        name = BoardName(board.id, board.name, "the configuration", "configured")
        return BoardChoice(board, name)
    found = detect(boards, root)
    return BoardChoice() if found is None else BoardChoice(boards[found.id], found)


def roots(root: Path) -> Roots:
    """Return where the files of a board below `root` begin."""
    return Roots(root / "sys", root / "proc", root / "dev")


def wanted(board: Board | None, root: Path) -> WantedReaders:
    """Return what the readers cannot find out by themselves."""
    return WantedReaders(
        chips=() if board is None else raw_chips(board.rails, roots(root).sysfs),
        model=None if board is None else _model(board),
        measured=partial(measured, board),
        known=RailFacts() if board is None else known_of(board),
        others=installed_readers(),
    )


def installed_readers() -> dict[str, Callable[[], MakeReader]]:
    """Return the readers that other packages bring, by the names of their entry points."""
    return {name: point.load for name, point in readers().items()}


def _model(board: Board) -> Coefficients | None:
    """Return the board's power from its draw at rest and under full load, spread over its cores."""
    idle, loaded = board.draw.idle_w, board.draw.loaded_w
    cores = sum(cluster.cores for cluster in board.clusters.values())
    if idle is None or loaded is None or not cores:
        return None
    return Coefficients(idle.value, max(0.0, loaded.value - idle.value) / cores)
