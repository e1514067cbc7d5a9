"""All files of a simulated board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_rt.twin.clocks import CpuClocks, GpuClocks
from edge_rt.twin.filesystem import BoardPart, Folders
from edge_rt.twin.host import HostFiles, write_identity
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.pi_firmware import PiFlags, PmicFile
from edge_rt.twin.plant import PlantState
from edge_rt.twin.rails import JetsonPower, RaplPower
from edge_rt.twin.shape import Parameters, Shape
from edge_rt.twin.zones import Cooling, CoreTemp, FanFiles, Zones


class BoardTree:
    """Shows the plant as the board's own kernel and firmware would, below one directory."""

    def __init__(self, root: Path, shape: Shape, parameters: Parameters) -> None:
        """StoreError where `root` cannot be used."""
        self.folders = Folders(root)
        write_identity(self.folders, shape)
        self._clocks = CpuClocks(self.folders, shape)
        self._gpu = GpuClocks(self.folders, shape) if shape.gpu_steps_hz else None
        self._host = HostFiles(self.folders, shape)
        self._parts: tuple[BoardPart, ...] = (
            Zones(self.folders, shape, parameters.zone_nearness),
            Cooling(self.folders, shape),
            self._clocks,
            *(() if self._gpu is None else (self._gpu,)),
            *_power(self.folders, shape),
            *_rest(self.folders, shape),
        )

    @property
    def sensors(self) -> frozenset[str]:
        """Zones and rails that events may name."""
        return frozenset[str]().union(*(part.sensors for part in self._parts))

    def limits_hz(self) -> tuple[float, ...]:
        """The clocks that others allow, by policy."""
        return self._clocks.limits_hz()

    def gpu_limit_hz(self) -> float | None:
        """The GPU's clock that others allow; None where there is no GPU."""
        return None if self._gpu is None else self._gpu.limit_hz()

    def show(
        self, state: PlantState, dt_s: float, usage: WatchedUsage, faults: Mapping[str, str]
    ) -> None:
        """Bring all files up to date after a step of `dt_s`."""
        for part in self._parts:
            part.show(state, faults)
        self._host.show(dt_s, state.busy_cores, usage)

    def remove(self) -> None:
        """Take the whole tree away."""
        self.folders.remove()


def _power(folders: Folders, shape: Shape) -> Iterator[BoardPart]:
    chips = {rail.chip for rail in shape.board.rails.values()}
    if chips & {"ina3221", "ina238"}:
        yield JetsonPower(folders, shape.board, iio=shape.prior.iio)
    if "rapl" in chips:
        yield RaplPower(folders, shape.board)


def _rest(folders: Folders, shape: Shape) -> Iterator[BoardPart]:
    if shape.firmware_throttles:
        yield PmicFile(folders, shape.board)
        yield PiFlags(folders)
    if shape.fan_points:
        yield FanFiles(folders, jetson=bool(shape.gpu_steps_hz))
    if "x86_64" in shape.board.match.architectures:
        yield CoreTemp(folders, shape)
