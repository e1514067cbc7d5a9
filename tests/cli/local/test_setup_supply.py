"""A cap is what the supply carries, and none where that or the board's power is not known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sites import Site

from edge_rt.cli.local.setup_plan import PowerCap, power_cap

Make = Callable[..., Site]
MODES = "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=MODE_30W >\n"


def negotiated(site: Make, milliamps: int) -> PowerCap:
    here = site("pi5")
    folder = here.patient.root / "proc/device-tree/chosen/power"
    folder.mkdir(parents=True)
    (folder / "max_current").write_bytes(milliamps.to_bytes(4, "big"))
    return power_cap(here.patient.machine())


@pytest.mark.parametrize(("milliamps", "watts"), [(5000, 18.7), (3000, 11.2), (0, 20.2)])
def test_a_pi_goes_by_what_its_supply_offers(site: Make, milliamps: int, watts: float) -> None:
    assert negotiated(site, milliamps).power_w == watts


def test_a_supply_that_is_too_weak_gets_no_cap(site: Make) -> None:
    cap = negotiated(site, 900)
    assert cap.power_w is None
    assert "too little: the board draws 3.25 W when idle" in cap.why


@pytest.mark.parametrize(("mode", "watts"), [(1, 30.0), (0, 60.0), (None, 60.0)])
def test_a_jetson_goes_by_its_power_mode_or_its_makers_range(
    site: Make, mode: int | None, watts: float
) -> None:
    here = site("agx-orin")
    root = here.patient.root
    (root / "etc").mkdir()
    (root / "etc/nvpmodel.conf").write_text(MODES)
    if mode is not None:
        (root / "var/lib/nvpmodel").mkdir(parents=True)
        (root / "var/lib/nvpmodel/status").write_text(f"pmode:{mode:04d}\n")
    assert power_cap(here.patient.machine()).power_w == watts


def test_a_board_whose_supply_nobody_knows_gets_no_cap(site: Make) -> None:
    assert power_cap(site("x86").patient.machine()).power_w is None
