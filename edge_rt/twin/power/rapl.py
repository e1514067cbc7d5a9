"""RAPL counters of a simulated x86 package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_rt.config.board import Board
from edge_rt.twin.files.folders import Folders
from edge_rt.twin.plant import State
from edge_rt.twin.published import Gauge, show

RANGE_UJ = 262_143_328_850


class RaplPower:
    """Shows what each zone has used since the start, in µJ, wrapping as the kernel's does."""

    def __init__(self, folders: Folders, board: Board) -> None:
        labels = [label for label, rail in board.rails.items() if rail.chip == "rapl"]
        base = folders.sysfs / "class" / "powercap"
        self._zones: dict[str, Gauge] = {}
        for label, zone in _zones(labels):
            name = label.rpartition("/")[2]
            fixed = {"name": name, "max_energy_range_uj": RANGE_UJ, "enabled": 1}
            folder = folders.write(base / zone, fixed)
            self._zones[label] = Gauge(folder / "energy_uj")
        self.sensors = frozenset(self._zones)

    def show(self, state: State, faults: Mapping[str, str]) -> None:
        """Bring the counters up to date."""
        for label, file in self._zones.items():
            used_uj = int(state.energies_j[label] * 1e6) % RANGE_UJ
            show(file, str(used_uj), faults.get(label))


def _zones(labels: list[str]) -> Iterator[tuple[str, str]]:
    """Labels such as "package-0/core" with their zones, such as "intel-rapl:0:0"."""
    packages = [label for label in labels if "/" not in label]
    for number, package in enumerate(packages):
        yield package, f"intel-rapl:{number}"
        parts = [label for label in labels if label.startswith(f"{package}/")]
        for index, part in enumerate(parts):
            yield part, f"intel-rapl:{number}:{index}"
