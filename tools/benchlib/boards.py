"""Board profiles, where any fault in them is an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rt.config.board import Board
from edge_rt.config.boards import SHIPPED, check_boards


def load_boards(dirs: Sequence[Path] = (SHIPPED,)) -> dict[str, Board]:
    """The profiles in `dirs` by id; one in a later directory hides an earlier one of its id.

    Raises ConfigError for the first fault.
    """
    boards, faults = check_boards(dirs)
    if faults:
        raise faults[0]
    return boards
