"""Readers of other chips and of thermal zones, on what the real kernel makes of them."""

from __future__ import annotations

from edge_rt.board.readers.heat import HwmonTemp, ThermalReader, TripPoint
from edge_rt.board.readers.rails import Ina238
from vm.guest.check import check, expect, expect_same
from vm.guest.stub import SYSFS, Chip, bound


@check("an INA238 is read as its driver gives it")
def ina238(chip: Chip, other: Chip) -> str:
    # 3.125 mV a step; with the driver's 10 mOhm 2 mA a step and 0.4 mW a step of three bytes.
    words = {5: 6400, 7: 1500}
    power = dict(enumerate((150_000).to_bytes(3, "big"), 8))
    with bound(chip.bus_number, "ina238", 0x45, words, power):
        found = list(Ina238(SYSFS).read())
    expect(None not in found, f"{found}")
    expect_same("INA238", [value or 0.0 for value in found], [60.0, 20.0, 3.0], 1e-9)
    return f"{found} W, V, A"


@check("a temperature of hwmon is read")
def lm75(chip: Chip, other: Chip) -> str:
    seen: list[float | None] = []
    for steps in (91, 0, -25):  # of half a degree, above bit 7
        with bound(chip.bus_number, "lm75", 0x48, {0: (steps << 7) & 0xFFFF}, {}):
            seen += HwmonTemp(SYSFS, drivers=frozenset(("lm75",))).read()
    expect(seen == [45.5, 0.0, -12.5], f"{seen}")
    return f"{seen} \u00b0C"


@check("thermal zones and their trip points are read")
def zones(chip: Chip, other: Chip) -> str:
    thermal = ThermalReader(SYSFS)
    names = [zone.name for zone in thermal.zones]
    expect(names == ["acpitz", "acpitz#2"], f"{names}")
    temps = list(thermal.read())[:2]
    expect(temps == [50.0, 61.5], f"{temps}")
    for zone, trip_c in zip(thermal.zones, (100.0, 95.0), strict=True):
        trips = [TripPoint(trip.kind, trip.temp_c) for trip in zone.trips]
        expect(TripPoint("critical", trip_c) in trips, f"{zone.name}: {trips}")
    return f"{temps} \u00b0C"
