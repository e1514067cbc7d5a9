"""What a board profile may hold: figures, each with where it comes from.

What is not known is left out, and is then None or empty. Units stand in the names. A record that
holds figures has a `source`: ids of the sources.yaml beside the profiles.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.config.section import Positive, Section

Amount = Annotated[float, Meta(gt=0)]
Celsius = Annotated[float, Meta(ge=-60, le=200)]
Text = Annotated[str, Meta(min_length=1)]
Chip = Literal["ina3221", "ina238", "pmic", "rapl"]
Covers = Literal["board", "module", "package", "regulators"]


class Sourced(Section, frozen=True):
    """Base of every record that states facts about a board."""

    source: Annotated[tuple[Text, ...], Meta(min_length=1)]
    note: str | None = None


class Figure(Sourced, frozen=True, kw_only=True):
    """One number; its unit is in the name of the key that holds it."""

    value: Amount


class Match(Section, frozen=True):
    """What a board of this profile is recognised by; any one entry is enough."""

    part_numbers: tuple[Text, ...] = ()  # NVIDIA modules: "p3767-0005"
    compatible: tuple[Text, ...] = ()  # entries of the device tree's `compatible`
    models: tuple[Text, ...] = ()  # how the device tree's `model` begins
    dmi: tuple[Text, ...] = ()  # how "VENDOR PRODUCT" of the firmware's tables begins
    family: tuple[Text, ...] = ()  # any of the above, of boards that are like this one but not it
    architectures: tuple[Text, ...] = ()  # nothing better known: "aarch64", "x86_64"
    super_modes: bool = False  # only where NVIDIA's Super power modes are installed


class Cluster(Sourced, frozen=True, kw_only=True):
    """CPU cores of one kind."""

    cores: Positive
    max_hz: Amount | None = None
    steps_hz: tuple[Amount, ...] = ()


class Gpu(Sourced, frozen=True, kw_only=True):
    """The graphics processor, where it is of use for computing."""

    name: Text
    cuda_cores: Positive | None = None
    max_hz: Amount | None = None


class ComputeRates(Section, frozen=True):
    """Operations per second (a multiply-add is two) by number format."""

    fp64: Figure | None = None
    fp32: Figure | None = None
    fp16: Figure | None = None
    int8: Figure | None = None
    int8_sparse: Figure | None = None
    fp8_sparse: Figure | None = None
    fp4_sparse: Figure | None = None


class Unit(Section, frozen=True):
    """The speeds of one kind of processor: stated by its maker, and reached in measurements."""

    peak_op_per_s: ComputeRates = ComputeRates()
    reached_op_per_s: ComputeRates = ComputeRates()


class Compute(Section, frozen=True):
    """Processors; `module` is GPU and accelerators together, where only their sum is known."""

    cpu: Unit = Unit()
    gpu: Unit = Unit()
    module: Unit = Unit()


class MemorySizes(Sourced, frozen=True, kw_only=True):
    """The sizes in which the board is sold; which one is at hand the kernel tells."""

    bytes: Annotated[tuple[Positive, ...], Meta(min_length=1)]


class Memory(Section, frozen=True):
    """The memory that CPU and GPU share."""

    kind: Text | None = None
    sizes: MemorySizes | None = None
    bandwidth_bytes_per_s: Figure | None = None  # on paper
    reached_bandwidth_bytes_per_s: Figure | None = None


class PowerMode(Sourced, frozen=True, kw_only=True):
    """One of NVIDIA's power modes: caps on cores and clocks, known by name."""

    cores: Positive | None = None
    cpu_hz: Amount | None = None
    gpu_hz: Amount | None = None
    cuda_cores: Positive | None = None  # that stay on
    memory_hz: Amount | None = None
    drawn_w: Amount | None = None  # measured under full load
    decode_w: Amount | None = None  # measured while small models write
    default: bool = False


class Draw(Section, frozen=True):
    """Power of the board or module as measured or stated."""

    idle_w: Figure | None = None
    loaded_w: Figure | None = None
    range_min_w: Figure | None = None  # smallest and largest budget that the maker names
    range_max_w: Figure | None = None
    supply_w: Figure | None = None


class Rail(Sourced, frozen=True, kw_only=True):
    """One measured supply, under the name of its channel.

    A rail that is neither in a total nor part of one is only shown.
    """

    part_of: Text | None = None  # the rail that feeds this one
    chip: Chip | None = None
    i2c_bus: Annotated[int, Meta(ge=0)] | None = None
    i2c_node: Text | None = None  # the bus in the device tree; numbers differ between kernels
    i2c_address: Annotated[int, Meta(ge=0x08, le=0x77)] | None = None
    channel: Positive | None = None
    shunt_ohm: Amount | None = None


class Total(Sourced, frozen=True, kw_only=True):
    """Rails whose sum is the power of what `covers` names."""

    rails: Annotated[tuple[Text, ...], Meta(min_length=1)]
    covers: Covers


class Zone(Sourced, frozen=True, kw_only=True):
    """One thermal zone, by its `type`."""

    gated: bool = False  # it cannot be read while its part of the chip is off
    hottest: bool = False  # the maximum of the others
    ignored: bool = False  # not the chip's, whatever its name says
    shutdown_c: Celsius | None = None


class Trips(Sourced, frozen=True, kw_only=True):
    """Where the board acts on heat: for use when it does not publish its trip points."""

    throttle_c: Celsius | None = None  # begins to slow down
    hot_c: Celsius | None = None  # slows down heavily
    shutdown_c: Celsius | None = None


class FanPoint(Section, frozen=True):
    """From `temp_c` up the fan runs at `duty` of its full speed."""

    temp_c: Celsius
    duty: Annotated[float, Meta(ge=0, le=1)] | None = None


class Fan(Sourced, frozen=True, kw_only=True):
    """The fan curve that the board comes with."""

    points: Annotated[tuple[FanPoint, ...], Meta(min_length=1)]
    hysteresis_c: Annotated[float, Meta(ge=0)] | None = None


class Constants(Sourced, frozen=True, kw_only=True):
    """Heat path from the chip to the air; calibration replaces it."""

    resistance_c_per_w: Amount | None = None
    capacity_j_per_c: Amount | None = None


class Thermal(Section, frozen=True):
    """Temperatures of the board and what it does about them."""

    zones: dict[str, Zone] = msgspec.field(default_factory=dict[str, Zone])
    trips: Trips | None = None
    fan: Fan | None = None
    constants: Constants | None = None
    leakage_w: Figure | None = None  # of the idle chip at 45 °C, until it is measured

    @property
    def ignored(self) -> dict[str, bool]:
        """The zones by name, and whether they are ignored."""
        return {name: zone.ignored for name, zone in self.zones.items()}

    @property
    def slows_c(self) -> float | None:
        """Where the board begins to slow down; None where the profile does not tell."""
        return (self.trips.throttle_c or self.trips.hot_c) if self.trips else None


class Board(Section, frozen=True):
    """One board profile; `id` is the name of its file without ".yaml"."""

    id: str
    name: Text
    match: Match = Match()
    clusters: dict[str, Cluster] = msgspec.field(default_factory=dict[str, Cluster])
    gpu: Gpu | None = None
    compute: Compute = Compute()
    memory: Memory = Memory()
    power_modes: dict[str, PowerMode] = msgspec.field(default_factory=dict[str, PowerMode])
    draw: Draw = Draw()
    rails: dict[str, Rail] = msgspec.field(default_factory=dict[str, Rail])
    totals: tuple[Total, ...] = ()  # the first whose rails can all be read counts
    thermal: Thermal = Thermal()

    @property
    def memory_sizes_bytes(self) -> tuple[int, ...]:
        """The sizes of memory that the board may have; empty when unknown."""
        return self.memory.sizes.bytes if self.memory.sizes else ()

    def total(self, readable: Collection[str]) -> Total | None:
        """Return the total that the `readable` rails can form. None: power is not measured."""
        return next((total for total in self.totals if set(total.rails) <= set(readable)), None)
