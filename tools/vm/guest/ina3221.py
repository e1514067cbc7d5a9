"""Our two readers of the INA3221 against each other, the driver and what is in the registers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rt.board.discovery import Discovery, Roots, WantedReaders, discover
from edge_rt.board.readers import ina3221 as registers
from edge_rt.board.readers.base import BaseReader
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.readers.ina3221_i2c import RawChip
from vm.guest.check import check, expect, expect_same, expect_silence, values_of
from vm.guest.stub import ALL_ON, LABELS, OHMS, SHUNTS_UOHM, SYSFS, Chip, Figures

LOAD = Figures("load", (5016, 1048, 904), (6200, 7600, 8240), noise=0b101)
OTHER = Figures("other", (12000, 3304, 1800), (1000, 2000, 3000))
SETS = (
    LOAD,
    Figures("one step", (8, 8, 8), (40, -40, 40)),
    Figures("zero", (0, 0, 0), (0, 0, 0)),
    Figures("widest", (26000, 1000, 26000), (4000, 163720, 4000)),
)
# Of the first two channels more flows back than an offset explains.
REVERSE = Figures("reverse current", (12000, 5016, 3304), (-1960, -100000, -40), noise=0b111)

# The driver gives whole mV and mA. That is less than a step, with these shunts.
_ROUNDING = 0.5e-3 + 1e-9


@check("raw reads what is in the registers")
def raw_reads(chip: Chip, other: Chip) -> str:
    for figures in SETS:
        chip.fill(figures)
        expect_same(figures.name, values_of(chip.raw()), truth(figures), 1e-9)
    chip.fill(REVERSE)
    seen = _reverse(chip.raw())
    expect_same(REVERSE.name, seen, _but_watts(truth(REVERSE)), 1e-9)
    chip.fill(Figures("impossible", (-8, 5000, 5000), (40, 40, 40)))
    raw = chip.raw()
    expect_silence(raw, (0, 1), "cannot be")
    return f"{len(SETS) + 1} sets of three channels"


@check("raw leaves out a disabled channel")
def raw_disabled(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    chip.write(registers.CONFIG, ALL_ON & ~0x2000)
    raw = chip.raw()
    expect_silence(raw, (3, 4, 5), "channel 2 is disabled")
    return raw.errors[3] or ""


@check("raw refuses another chip and an empty address")
def raw_refuses(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    chip.write(registers.DIE, 0x2260)
    expect_silence(chip.raw(), range(9), "no INA3221")
    nobody = chip.raw(address=0x50)
    expect_silence(nobody, range(9), "ENODEV")
    return nobody.errors[0] or ""


@check("discovery reads a free chip raw")
def discovery_raw(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    found = _discover(chip)
    expect("ina3221" not in _names(found), f"read through hwmon as well: {_names(found)}")
    (raw,) = (reader for reader in found.readers if reader.name == "ina3221-i2c")
    expect_same("discovered", values_of(raw), truth(LOAD), 1e-9)
    return ", ".join(_names(found))


@check("raw and hwmon agree to one step")
def agree(chip: Chip, other: Chip) -> str:
    widest = [0.0, 0.0, 0.0]
    for figures in SETS:
        chip.reset()
        chip.fill(figures)
        raw = values_of(chip.raw())
        folder = chip.bind()
        kernel = values_of(Ina3221Hwmon(SYSFS))
        volts = max(map(abs, kernel[1::3]))
        expect_same(f"{figures.name}: hwmon", kernel[1::3], raw[1::3], _ROUNDING)
        expect_same(f"{figures.name}: hwmon", kernel[2::3], raw[2::3], _ROUNDING)
        expect_same(f"{figures.name}: hwmon", kernel[0::3], raw[0::3], volts * _ROUNDING)
        expect_same(f"{figures.name}: files", _files(folder), kernel, 1e-9)
        expect_same(f"{figures.name}: forced raw", values_of(chip.raw(force=True)), raw, 1e-9)
        for index, (k, r) in enumerate(zip(kernel, raw, strict=True)):
            widest[index % 3] = max(widest[index % 3], abs(k - r))
    chip.reset()
    chip.fill(REVERSE)
    seen = _reverse(chip.raw())
    chip.bind()
    expect_same(f"{REVERSE.name}: hwmon", _reverse(Ina3221Hwmon(SYSFS)), seen, _ROUNDING)
    watts, volts, amps = widest
    return f"{len(SETS) + 1} sets; furthest apart: {volts:.3g} V, {amps:.3g} A, {watts:.3g} W"


@check("raw refuses a chip that a driver owns")
def raw_owned(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    chip.bind()
    expect_silence(chip.raw(), range(9), "a kernel driver owns")
    # Where the driver's link cannot be seen, the kernel says no.
    blind = chip.raw(sysfs=Path("/nowhere"))
    expect_silence(blind, range(9), "EBUSY")
    expect_same("forced", values_of(chip.raw(force=True)), truth(LOAD), 1e-9)
    return blind.errors[0] or ""


@check("raw lets go when a driver takes the chip")
def raw_taken(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    raw = chip.raw()
    expect_same("free", values_of(raw), truth(LOAD), 1e-9)
    chip.bind()
    expect_silence(raw, range(9), "a kernel driver owns")
    reason = raw.errors[0] or ""
    chip.unbind()
    expect_same("free again", values_of(raw), truth(LOAD), 1e-9)
    return reason


@check("hwmon names channels without labels")
def hwmon_names(chip: Chip, other: Chip) -> str:
    folder = chip.bind()
    labels = sorted(path.name for path in folder.glob("in?_label"))
    expect(labels == ["in7_label"], f"labels without a device tree: {labels}")
    names = [channel.name for channel in Ina3221Hwmon(SYSFS).channels[::3]]
    expect(names == [f"{chip.place}/{n}" for n in (1, 2, 3)], f"named {names}")
    return ", ".join(names)


@check("hwmon leaves out a disabled channel")
def hwmon_disabled(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    folder = chip.bind()
    hwmon = Ina3221Hwmon(SYSFS)
    (folder / "in2_enable").write_text("0\n")
    expect_silence(hwmon, (3, 4, 5), "ENODATA")
    reason = hwmon.errors[3] or ""
    later = Ina3221Hwmon(SYSFS)
    expect(len(later.channels) == 6, f"channels {later.channels}")
    expect("disabled" in later.skipped[0].reason, f"skipped {later.skipped}")
    expect_silence(chip.raw(force=True), (3, 4, 5), "channel 2 is disabled")
    (folder / "in2_enable").write_text("1\n")
    expect_same("on again", values_of(hwmon), values_of(chip.raw(force=True)), 0.01)
    return reason


@check("both are silent while the driver has the chip switched off")
def switched_off(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    folder = chip.bind()
    hwmon = Ina3221Hwmon(SYSFS)
    values_of(hwmon)
    for channel in (1, 2, 3):
        (folder / f"in{channel}_enable").write_text("0\n")
    expect_silence(hwmon, range(9), "ENODATA")
    config = chip.read(registers.CONFIG)
    expect(config & 7 == 0, f"the driver left {config:#06x}")
    expect_silence(chip.raw(force=True), range(9), "")
    chip.unbind()  # which leaves the chip as it is: powered down
    chip.write(registers.CONFIG, ALL_ON & ~7)
    raw = chip.raw()
    expect_silence(raw, range(9), "not measure continuously")
    return raw.errors[0] or ""


@check("hwmon survives the removal of the device")
def removal(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    chip.bind()
    hwmon = Ina3221Hwmon(SYSFS)
    before = values_of(hwmon)
    chip.unbind()
    expect_silence(hwmon, range(9), "ENOENT")
    reason = hwmon.errors[0] or ""
    chip.bind()
    expect_same("back", values_of(hwmon), before, 1e-9)
    return reason


@check("hwmon never reads another device in its place")
def replaced(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    other.fill(OTHER)
    folder = chip.bind()
    hwmon = Ina3221Hwmon(SYSFS)
    values_of(hwmon)
    chip.unbind()
    expect(other.bind().name == folder.name, "the numbers were not given again")
    expect_silence(hwmon, range(9), "ENOENT")
    return hwmon.errors[0] or ""


@check("discovery reads a bound chip through hwmon")
def discovery_hwmon(chip: Chip, other: Chip) -> str:
    chip.fill(LOAD)
    chip.bind()
    found = _discover(chip)
    expect("ina3221" in _names(found), f"found {_names(found)}")
    expect("ina3221-i2c" not in _names(found), f"read raw as well: {_names(found)}")
    reasons = [s.reason for s in found.skipped if s.name == f"ina3221-i2c {chip.place}"]
    expect(reasons == ["a kernel driver owns it"], f"said of the raw chip: {reasons}")
    return f"{', '.join(_names(found))}; raw: {reasons[0]}"


def _reverse(reader: BaseReader) -> list[float]:
    """Volts and amperes where the watts of the first two channels cannot be."""
    return _but_watts(expect_silence(reader, (0, 3), "cannot be"))


def _but_watts(values: Sequence[float | None]) -> list[float]:
    return [value for index, value in enumerate(values) if index % 3 and value is not None]


def _discover(chip: Chip) -> Discovery:
    wanted = WantedReaders(chips=(RawChip(chip.bus_number, chip.address, LABELS, OHMS),))
    return discover(Roots(), wanted)


def _names(found: Discovery) -> list[str]:
    return [reader.name for reader in found.readers]


def truth(figures: Figures) -> list[float]:
    """Power, voltage and current of the three channels, in W, V and A.

    Power below zero counts as zero: an offset, where it is small.
    """
    found: list[float] = []
    for bus, shunt, ohms in zip(figures.bus_mv, figures.shunt_uv, SHUNTS_UOHM, strict=True):
        volts, amps = bus / 1000, shunt / ohms
        found += [max(0.0, volts * amps), volts, amps]
    return found


def _files(folder: Path) -> list[float]:
    """Return the same from the driver's files, without our reader."""
    found: list[float] = []
    for channel in (1, 2, 3):
        volts = int((folder / f"in{channel}_input").read_text()) / 1000
        amps = int((folder / f"curr{channel}_input").read_text()) / 1000
        found += [max(0.0, volts * amps), volts, amps]
    return found
