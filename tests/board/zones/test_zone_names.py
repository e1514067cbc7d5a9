"""Names of zones as kernels give them, and whose temperature they tell."""

from __future__ import annotations

import pytest

from edge_rt.board.heat_zones import judge

CHIP = """
cpu-thermal cpu_thermal gpu-thermal cv0-thermal soc2-thermal soc012-thermal tj-thermal
tdiode-thermal CPU-therm MCPU-therm AO-therm AUX-therm PLL-therm Tdiode_tegra x86_pkg_temp
pkg-temp-0 B0D4 TCPU soc_dts0 soc-thermal package-thermal bigcore1-thermal littlecore-thermal
center-thermal npu-thermal ddr-thermal ve-thermal cpu0-0-top-thermal cpuss2-btm-thermal
gpuss-7-thermal aoss0-thermal mtktscpu cluster1-thermal CPU GPU SOC0 tj cpu-thermal#2
"""
HWMON = [
    *("coretemp Package id 0", "coretemp Core 7", "k10temp Tctl", "k10temp Tccd1", "k10temp temp1"),
    *("zenpower Tdie", "amdgpu edge", "amdgpu junction"),
]
FOREIGN = """
PMIC-Die pmic-thermal pm8998-tz pmk8550-thermal iwlwifi iwlwifi_1 wifi ath10k_hwmon ath11k_hwmon
mt7921_phy0 mt7615_phy1 modem-0-thermal nvme drivetemp BAT0 battery charger0 axp20x-battery
spd5118 jc42 TMEM mem-thermal Tboard_tegra tboard-thermal skin-thermal TSKN ambient SEN1
quiet-therm xo-thermal pch_skylake thermal-fan-est
"""
UNKNOWN = ["acpitz", "acpitz#3", "main0-thermal", "atlas-thermal", "thermal_zone4", "thermal"]


@pytest.mark.parametrize("name", [*CHIP.split(), *HWMON])
def test_parts_of_the_chip(name: str) -> None:
    assert judge(name).sort == "chip"


@pytest.mark.parametrize(
    "name", [*FOREIGN.split(), "INT3400 Thermal", "amdgpu mem", "r8169_0_300:00"]
)
def test_other_things_are_named(name: str) -> None:
    found = judge(name, listed=True)
    assert found.sort == "foreign"
    assert found.whose


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_that_tell_nothing(name: str) -> None:
    assert judge(name).sort == "unknown"


def test_a_profile_lends_a_name_its_meaning() -> None:
    assert judge("main0-thermal", listed=True).sort == "chip"
    assert judge("acpitz", listed=True).sort == "unknown"  # it may be anything on the next PC
