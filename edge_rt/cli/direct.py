"""The board, read by the command itself: without a daemon."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import msgspec

from edge_rt.cli.words.document import Json
from edge_rt.config.loader import load

Look = Callable[["str | None", Path, float], Iterator[object]]
"""Reads a board: its profile's id or None, its root, seconds between two reports."""


def board_reports(
    root: Path | None, period_s: float, look: Look | None = None
) -> Generator[Json, None, None]:
    """Reports of the board below `root`, else of the configured one, every `period_s` seconds.

    They are as the daemon tells them. Raises ConfigError where the configuration, which may name
    the board, is faulty.
    """
    config = load(None)
    look = look or _senses()
    for report in look(config.board, root or Path(config.sensors.root), period_s):
        yield msgspec.to_builtins(report)


def _senses() -> Look:
    from edge_rt.board.monitor import look  # brings every reader

    return look
