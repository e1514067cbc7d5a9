"""Zones of boards that have no profile, as public listings show them, with figures of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edge_rt.testing.board import FakeBoard


class Expected(NamedTuple):
    """The hottest zone that counts, and the lowest trip point of those that do."""

    zone: str | None
    temp_c: float | None
    trip_c: float | None


NOTHING = Expected(None, None, None)


def tx2(tree: FakeBoard) -> None:
    """Jetson TX2, JetPack 4."""
    brakes = {"passive": 95_500, "critical": 101_000}
    for name, temp in (("BCPU-therm", 30_500), ("MCPU-therm", 30_500), ("GPU-therm", 29_000)):
        tree.zone(name, temp, brakes)
    tree.zone("PLL-therm", 30_500)
    tree.zone("AO-therm", 30_000)
    tree.zone("Tboard_tegra", 28_000)
    tree.zone("Tdiode_tegra", 28_750)
    tree.zone("PMIC-Die", 100_000)
    tree.zone("thermal-fan-est", 29_900)
    tree.host(6)


def agx_xavier(tree: FakeBoard) -> None:
    """Jetson AGX Xavier, JetPack 4: the zone of its regulators has trip points as well."""
    tree.zone("CPU-therm", 31_000, {"passive": 96_000, "critical": 96_500})
    tree.zone("GPU-therm", 30_500, {"passive": 97_500, "critical": 98_000})
    tree.zone("AUX-therm", 30_000, {"passive": 95_500, "critical": 96_000})
    tree.zone("AO-therm", 30_500)
    tree.zone("PMIC-Die", 100_000, {"passive": 105_000, "critical": 120_000})
    tree.zone("Tboard_tegra", 29_000)
    tree.zone("Tdiode_tegra", 30_250)
    tree.zone("thermal-fan-est", 30_650)
    tree.host(8)


def agx_xavier_jp5(tree: FakeBoard) -> None:
    """Jetson AGX Xavier, JetPack 5: no estimate for the fan, but a module in the M.2 slot."""
    for name, temp in (("CPU-therm", 33_500), ("GPU-therm", 32_000), ("AUX-therm", 32_500)):
        tree.zone(name, temp, {"passive": 95_500})
    tree.zone("AO-therm", 33_000)
    tree.zone("PMIC-Die", 100_000)
    tree.zone("Tboard_tegra", 31_000)
    tree.zone("iwlwifi_1", 99_000)
    tree.host(8)


def amd(tree: FakeBoard) -> None:
    """An AMD mini PC under load: its firmware's zone says the same for ever."""
    tree.hwmon("acpitz", {"temp1_input": 27_800})
    tree.hwmon("nvme", {"temp1_input": 61_850, "temp1_crit": 84_850})
    tree.hwmon("amdgpu", {"temp1_input": 81_000, "temp1_label": "edge"})
    tree.hwmon("k10temp", {"temp1_input": 88_500, "temp1_label": "Tctl"})
    tree.zone("acpitz", 27_800, {"critical": 119_000})
    tree.host(16)


def amd_published(tree: FakeBoard) -> None:
    """One whose firmware tells where the processor slows itself down, beside a graphics card."""
    control = {"temp1_input": 71_000, "temp1_label": "Tctl", "temp1_crit": 100_000}
    tree.hwmon("k10temp", control | {"temp3_input": 68_250, "temp3_label": "Tccd1"})
    card = {"temp1_input": 61_000, "temp1_label": "edge", "temp1_crit": 94_000}
    hot = {"temp3_input": 93_000, "temp3_label": "mem", "temp3_crit": 105_000}
    tree.hwmon("amdgpu", card | hot)
    tree.host(16)


def amd_first(tree: FakeBoard) -> None:
    """One of the first Zen processors: Tctl is 20 K above the temperature, for its fan's sake, and
    an old kernel gives every AMD processor the same "max" of 70 °C.
    """
    tctl = {"temp1_input": 85_000, "temp1_label": "Tctl", "temp1_max": 70_000}
    tree.hwmon("k10temp", tctl | {"temp2_input": 65_000, "temp2_label": "Tdie"})
    tree.host(16)


def intel(tree: FakeBoard) -> None:
    """An Intel PC whose kernel has no x86_pkg_temp."""
    tree.zone("acpitz", 27_800, {"critical": 105_000})
    package = {"temp1_label": "Package id 0", "temp1_input": 71_000}
    core = {"temp2_label": "Core 0", "temp2_input": 73_000}
    limits = {"temp1_max": 80_000, "temp1_crit": 105_000, "temp2_crit": 105_000}
    tree.hwmon("coretemp", package | core | limits)
    tree.host(4)


def laptop(tree: FakeBoard) -> None:
    """An Intel laptop: ten zones, of which three are the processor's."""
    tree.zone("INT3400 Thermal", 20_000)
    tree.zone("acpitz", 51_000, {"critical": 127_000})
    tree.zone("pch_cannonlake", 76_000, {"critical": 115_000})
    tree.zone("SEN1", 44_050, {"passive": 55_000, "hot": 58_000})
    tree.zone("TSKN", 48_000, {"passive": 50_000})
    tree.zone("TMEM", 90_000)
    tree.zone("B0D4", 63_000, {"passive": 99_000, "critical": 127_000})
    tree.zone("iwlwifi_1", 69_000, {"passive": -32_768_000})
    tree.zone("BAT0", 31_000)
    tree.zone("x86_pkg_temp", 64_000, {"passive": 55_000})  # where a program wants to be woken
    tree.hwmon("coretemp", {"temp1_label": "Package id 0", "temp1_input": 64_000})
    tree.host(8)


def radio(tree: FakeBoard) -> None:
    """A board of which nothing but the radio tells a temperature."""
    tree.zone("iwlwifi_1", 46_000, {"passive": -32_768_000})
    tree.host(4)


def firmware(tree: FakeBoard) -> None:
    """A PC on which nothing but its firmware tells one: there is nothing better."""
    tree.zone("acpitz", 57_000, {"passive": 95_500, "critical": 100_000})
    tree.host(4)


def rk3588(tree: FakeBoard) -> None:
    """Rockchip RK3588: trip points at the CPU cores' zones only."""
    tree.zone("soc-thermal", 61_307, {"critical": 115_000})
    for name, temp in (("bigcore0", 63_000), ("bigcore1", 62_100), ("littlecore", 61_300)):
        tree.zone(f"{name}-thermal", temp, {"passive": 85_000, "critical": 115_000})
    for name in ("center", "gpu", "npu"):
        tree.zone(f"{name}-thermal", 60_400, {"critical": 115_000})
    tree.hwmon("bigcore0_thermal", {"temp1_input": 63_000, "temp1_crit": 115_000})
    tree.host(8)


def amlogic(tree: FakeBoard) -> None:
    """Amlogic G12B."""
    tree.zone("cpu-thermal", 52_400, {"passive": 85_000, "hot": 95_000, "critical": 110_000})
    tree.zone("ddr-thermal", 53_100, {"passive": 85_000, "critical": 110_000})
    tree.host(6)


def allwinner(tree: FakeBoard) -> None:
    """Allwinner H616, with the charger of its regulator chip."""
    tree.zone("cpu_thermal", 55_200, {"passive": 80_000, "critical": 100_000})
    tree.zone("gpu_thermal", 51_000)
    tree.zone("axp20x-battery", 60_000, {"hot": 58_000})
    tree.host(4)


def snapdragon(tree: FakeBoard) -> None:
    """A Snapdragon: thirty zones of the chip, one hot, and those of what is around it."""
    cpu = {"passive": 90_000, "hot": 95_000, "critical": 110_000}
    for cluster in range(3):
        for core in range(4):
            for side in ("top", "btm"):
                hot = (cluster, core, side) == (1, 2, "top")
                temp = 71_300 if hot else 55_000 + 100 * core
                tree.zone(f"cpu{cluster}-{core}-{side}-thermal", temp, cpu)
    for number in range(6):
        tree.zone(f"gpuss-{number}-thermal", 49_800, {"passive": 85_000, "critical": 115_000})
    for name, temp in (("pm8550-thermal", 37_000), ("pmk8550-thermal", 91_000)):
        tree.zone(name, temp, {"passive": 95_000, "hot": 115_000})
    for name, temp in (("skin", 41_000), ("xo", 44_000), ("modem-0", 74_000)):
        tree.zone(f"{name}-thermal", temp, {"passive": 45_000})
    tree.host(12)


FOREIGN: dict[str, tuple[Callable[[FakeBoard], None], Expected]] = {
    "tx2": (tx2, Expected("BCPU-therm", 30.5, 95.5)),
    "agx-xavier": (agx_xavier, Expected("CPU-therm", 31.0, 95.5)),
    "agx-xavier-jp5": (agx_xavier_jp5, Expected("CPU-therm", 33.5, 95.5)),
    "amd": (amd, Expected("k10temp Tctl", 88.5, 95.0)),
    "amd-published": (amd_published, Expected("k10temp Tctl", 71.0, 94.0)),
    "amd-first": (amd_first, Expected("k10temp Tdie", 65.0, 95.0)),
    "intel": (intel, Expected("coretemp Core 0", 73.0, 105.0)),
    "laptop": (laptop, Expected("x86_pkg_temp", 64.0, 99.0)),
    "radio": (radio, NOTHING),
    "firmware": (firmware, Expected("acpitz", 57.0, 95.5)),
    "rk3588": (rk3588, Expected("bigcore0-thermal", 63.0, 85.0)),
    "amlogic": (amlogic, Expected("ddr-thermal", 53.1, 85.0)),
    "allwinner": (allwinner, Expected("cpu_thermal", 55.2, 80.0)),
    "snapdragon": (snapdragon, Expected("cpu1-2-top-thermal", 71.3, 85.0)),
}
