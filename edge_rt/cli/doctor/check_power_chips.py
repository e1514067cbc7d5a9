"""For each kind of power chip: why it gives nothing, and what mends that."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_rt.board.readers import ina3221 as ina3221_iio
from edge_rt.board.readers import rapl
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.readers.ina3221_i2c import place_of
from edge_rt.board.readers.sysfs import first_line, numbered
from edge_rt.board.supply import SupplyRails, agrees, doubts, known_of, shunts
from edge_rt.cli.doctor.finding import CheckFinding, note, problem
from edge_rt.cli.doctor.machine import ExaminedMachine, MachineReading, group_of
from edge_rt.cli.doctor.remedies import access_to_bus, let_group_use, load_module, seclusion
from edge_rt.cli.options import there

GROUP = "edge-rt"
_ENABLE = ("# see that the device tree has all channels of the chip, enabled and labelled",)
_VCIO_RULE = 'KERNEL=="vcio", GROUP="video", MODE="0660"'


def explain_rapl(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """The energy counters of x86 packages."""
    failed = _failed(machine, "rapl")
    refused = [reading for reading in failed if reading.refused]
    if refused:
        yield _refused(machine, "the processor's energy counters", counters(machine))
    elif failed:
        yield problem("power", f"the energy counters cannot be read: {failed[0].error}")
    elif (where := seclusion(machine)) is not None:
        yield note("power", f"no energy counters (RAPL): this is {where}; its host has them")
    else:
        what = "the kernel shows no energy counters (RAPL); a processor from before 2011 has none"
        yield problem("power", what, *load_module(machine, "intel_rapl_msr"))


def explain_pmic(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """The Raspberry Pi 5's power management chip."""
    device, sudo = machine.roots.dev / "vcio", machine.user.sudo
    skipped = [s.reason for s in machine.discovery.skipped if s.name == "pi-pmic"]
    failed = _failed(machine, "pi-pmic")
    if there(device) and not machine.access(device, os.R_OK):
        yield _refused(machine, f"the firmware's mailbox {device}", _mailbox(machine, device))
    elif not there(device) and skipped:
        what = f"the firmware's mailbox {device} is missing"
        if where := seclusion(machine):
            yield problem("power", f"{what} in {where}", "# start it with: --device /dev/vcio")
        else:
            advice = "# if there is no such module: use Raspberry Pi OS's or Ubuntu's Pi kernel"
            yield problem("power", what, f"{sudo}modprobe vcio", advice)
    elif skipped:
        what = f"the firmware does not tell the power of its rails: {skipped[0]}"
        yield problem("power", what, f"{sudo}rpi-eeprom-update -a", f"{sudo}reboot")
    else:
        rail = f"of {failed[0].channel.name}" if failed else "of any rail"
        why = f": {failed[0].error}" if failed else ""
        what = f"the power {rail} cannot be read from the firmware{why}"
        yield problem("power", what, f"{sudo}rpi-eeprom-update -a", f"{sudo}reboot")


def explain_ina3221(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """The INA3221 of a Jetson: by a driver of either kind, or by I2C."""
    failed = [r for name in ("ina3221", "ina3221x", "ina3221-i2c") for r in _failed(machine, name)]
    refused = [reading for reading in failed if reading.refused]
    if refused:
        yield _refused(machine, "the INA3221's files", iio_rule(machine))
    elif failed:
        names = ", ".join(dict.fromkeys(reading.channel.name for reading in failed))
        yield problem("power", f"{names} cannot be read: {failed[0].error}")
    elif _shown(machine):
        yield _incomplete(machine)
    else:
        yield from _unbound(machine)


def explain_ina238(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """The INA238 at the input of some carrier boards."""
    failed = _failed(machine, "ina238")
    if failed:
        yield problem("power", f"the INA238 cannot be read: {failed[0].error}")
    else:
        yield note("power", "no INA238: this carrier board has none, or its driver is not loaded")


EXPLAIN: dict[str, Callable[[ExaminedMachine], Iterator[CheckFinding]]] = {
    "rapl": explain_rapl,
    "pmic": explain_pmic,
    "ina3221": explain_ina3221,
    "ina238": explain_ina238,
}


def counters(machine: ExaminedMachine) -> tuple[str, ...]:
    """Commands that let the group read the energy counters."""
    return let_group_use(machine, rapl.udev_rule(GROUP), "powercap", GROUP)


def iio_rule(machine: ExaminedMachine) -> tuple[str, ...]:
    """Commands that let the group read the files of JetPack 4's driver."""
    return let_group_use(machine, ina3221_iio.udev_rule(GROUP), "iio", GROUP)


def doubtful(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Rails whose readings contradict each other or the profile."""
    driver = [r for r in machine.discovery.readers if isinstance(r, Ina3221Hwmon)]
    files = {rail: file for reader in driver for rail, file in reader.shunt_files.items()}
    for rail, why in doubts(machine.board, machine.sampler).items():
        yield problem("power", f"{rail}: {why}", *_set_shunt(machine, rail, files.get(rail)))


def _set_shunt(machine: ExaminedMachine, rail: str, file: Path | None) -> tuple[str, ...]:
    """Commands that set the driver's shunt to the profile's; none if they agree."""
    stated = known_of(machine.board).shunts.get(rail) if machine.board else None
    if file is None or stated is None or agrees(shunts(machine.sampler).get(rail), stated):
        return ()
    return (
        f"echo {stated * 1e6:.0f} | {machine.user.sudo}tee {file}",
        "# until the next start: shunt-resistor-micro-ohms in the device tree lasts",
    )


def rights(machine: ExaminedMachine, supply: SupplyRails) -> Iterator[CheckFinding]:
    """Check that a daemon that is not root could measure what this user can."""
    readers = {reader.name for reader in supply.readers}
    known = (("rapl", counter_files, counters), ("ina3221x", iio_files, iio_rule))
    for reader, find, remedy in known:
        files = find(machine) if reader in readers else []
        if files and not group_reads(files[0]) and not machine.daemon_measures:
            what = f"only root may read {files[0]}: a daemon with a user of its own cannot"
            yield note("power", what, *remedy(machine))


def counter_files(machine: ExaminedMachine) -> list[Path]:
    """The energy counters of x86 packages."""
    return numbered(machine.roots.sysfs / "class" / "powercap", "intel-rapl*:*/energy_uj")


def iio_files(machine: ExaminedMachine) -> list[Path]:
    """The powers that JetPack 4's driver shows."""
    drivers = machine.roots.sysfs / "bus" / "i2c" / "drivers"
    return numbered(drivers / "ina3221x", "*-*/iio:device*/in_power*_input")


def group_reads(file: Path) -> bool:
    """Whether others than root may read the file, by its group or all."""
    info = file.stat()
    return bool(info.st_mode & stat.S_IROTH or (info.st_mode & stat.S_IRGRP and info.st_gid))


def _failed(machine: ExaminedMachine, reader: str) -> list[MachineReading]:
    powers = [r for r in machine.readings if r.reader == reader and r.channel.kind == "power_w"]
    return [reading for reading in powers if reading.value is None]


def _refused(machine: ExaminedMachine, what: str, remedy: tuple[str, ...]) -> CheckFinding:
    if machine.daemon_measures:
        return note("power", f"you may not read {what}, but the daemon can")
    joined = () if machine.user.uid == 0 else machine.user.join(GROUP)
    if any(line.startswith(f"{machine.user.sudo}usermod") for line in remedy):
        joined = ()
    return problem("power", f"{what} may not be read by you", *remedy, *joined)


def _mailbox(machine: ExaminedMachine, device: Path) -> tuple[str, ...]:
    sudo, group = machine.user.sudo, group_of(device)
    if group != "root":
        return machine.user.join(group)
    return (
        f"echo '{_VCIO_RULE}' |",
        f"  {sudo}tee /etc/udev/rules.d/60-edge-rt-vcio.rules",
        f"{sudo}udevadm control --reload",
        f"{sudo}udevadm trigger /dev/vcio",
        *machine.user.join("video"),
    )


def _shown(machine: ExaminedMachine) -> list[str]:
    """The rails of an INA3221 that a driver, or the bus, shows."""
    names = ("ina3221", "ina3221x", "ina3221-i2c")
    channels = (c for r in machine.discovery.readers if r.name in names for c in r.channels)
    return [channel.name for channel in channels if channel.kind == "power_w"]


def _incomplete(machine: ExaminedMachine) -> CheckFinding:
    """Tell which rails of the total the chip does not show, and why as far as that is known."""
    shown, board = _shown(machine), machine.board
    chips = {rail: known.chip for rail, known in board.rails.items()} if board else {}
    wanted = (rail for total in (board.totals if board else ()) for rail in total.rails)
    own = (rail for rail in wanted if chips.get(rail) == "ina3221")
    missing = dict.fromkeys(rail for rail in own if rail not in shown)
    marks = ("disabled", "not connected", "no such channel")
    skipped = [s for s in machine.discovery.skipped if any(mark in s.reason for mark in marks)]
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in skipped)
    told = f"the INA3221 shows {', '.join(shown)}, but not {', '.join(missing)}"
    return problem("power", f"{told}{f' ({reasons})' if reasons else ''}", *_ENABLE)


def _unbound(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """No driver shows the chip."""
    rails = machine.board.rails.values() if machine.board else ()
    sysfs = machine.roots.sysfs
    places = dict.fromkeys(place_of(rail, sysfs) for rail in rails if rail.chip == "ina3221")
    module = load_module(machine, "ina3221")
    where = seclusion(machine)
    if where is not None:
        yield problem("power", f"the INA3221 cannot be seen from {where}", "# mount /sys into it")
    elif not any(places):
        yield problem("power", "no driver shows the board's INA3221", *module)
    for bus, address in filter(None, places):
        if where is None:
            yield _unbound_at(machine, bus, address, module)


def _unbound_at(
    machine: ExaminedMachine, bus: int, address: int, module: tuple[str, ...]
) -> CheckFinding:
    place, device = f"{bus}-{address:04x}", machine.roots.dev / f"i2c-{bus}"
    chip = machine.roots.sysfs / "bus" / "i2c" / "devices" / place
    if there(chip) and not there(chip / "driver"):
        name = first_line(chip / "name") or "ina3221"
        return problem("power", f"the {name} at {place} has no driver", *module)
    if not there(device):
        what = f"no driver shows the INA3221 at {place}, and {device} is missing"
        return problem("power", what, *module, f"{machine.user.sudo}modprobe i2c-dev")
    if not machine.access(device, os.R_OK | os.W_OK):
        what = f"no driver shows the INA3221 at {place}, and you may not open {device}"
        return problem("power", what, *access_to_bus(machine, f"/dev/i2c-{bus}"))
    return problem("power", f"no INA3221 answers at {place} of {device}", *module)
