"""Our daemon with constant limits in the governor's place: what a governor is held against.

`python -m benchlib.fixed_daemon LIMITS OPTIONS`, options as of `edge-rt serve`. The file LIMITS
holds a thread count and a duty, and may change at any time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.cli.local.serve import serve
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor
from edge_rt.server import server
from edge_rt.server.container import Container


def write_limits(file: Path, threads: int, duty: float) -> None:
    """Have the daemon that reads `file` keep these from its next look on."""
    spare = file.with_suffix(".new")
    spare.write_text(f"{threads} {duty}")
    spare.replace(file)


def read_limits(file: Path) -> Limits:
    """What `write_limits` wrote."""
    threads, duty = file.read_text().split()
    return Limits(int(threads), float(duty))


class Fixed:
    """Stands in for a governor: allows what a file says, whatever is observed."""

    def __init__(self, file: Path, governor: Governor) -> None:
        self.budget, self.report = governor.budget, governor.report
        self.fixed: int | None = None
        self._file = file
        self.limits = read_limits(file)

    def step(self, seen: Observation) -> Limits:
        """Return the limits of the file."""
        self.limits = read_limits(self._file)
        return self.limits


class FixedContainer(Container):
    """The front without a governor."""

    file: Path

    def _governor(self, snapshot: BoardSnapshot | None) -> Governor:
        return cast("Governor", Fixed(self.file, super()._governor(snapshot)))


if __name__ == "__main__":
    FixedContainer.file = Path(sys.argv[1])
    server.Container = FixedContainer
    serve.main(sys.argv[2:])
