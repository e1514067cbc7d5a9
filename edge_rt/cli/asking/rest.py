"""Wait until a daemon knows what its board draws at rest: an answer costs what comes on top."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edge_rt.cli.client import Client
from edge_rt.cli.exits import Failure
from edge_rt.cli.words.document import Json

_PAUSE_S = 0.2


def board(path: Path) -> Json | None:
    """What the daemon at the socket `path` feels of its board; None where it does not tell."""
    with Client(path) as client:
        try:
            return client.get("/edge/v1/board")
        except Failure:
            return None


def wait_for_rest(
    look: Callable[[], Json | None],
    patience_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look again and again until power at rest is known, or will not be; at most `patience_s`.

    A daemon that has just been started still loads its engine.
    """
    for _ in range(round(patience_s / _PAUSE_S)):
        report = look()
        if report is None or _knows(report):
            return
        sleep(_PAUSE_S)


def _knows(report: Json) -> bool:
    supply = report["supply"]
    if supply is None:  # either nothing tells power, or nothing was looked at yet
        return bool(report["channels"])
    return supply["idle_w"] is not None
