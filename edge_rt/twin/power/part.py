"""What the groups of files of a simulated board have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge_rt.twin.plant import State


class Part(Protocol):
    """Some files that show one side of the board."""

    @property
    def sensors(self) -> frozenset[str]:
        """The sensors that events may name."""
        ...

    def show(self, state: State, faults: Mapping[str, str]) -> None:
        """Bring the files up to date; `faults` are kinds of events by sensor."""
        ...


NO_SENSORS: frozenset[str] = frozenset()
