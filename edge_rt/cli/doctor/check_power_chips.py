"""For each kind of power chip: why it gives nothing, and what mends that."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_rt.board.readers import ina3221, rapl
from edge_rt.board.readers.base import SensorAccess
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.readers.rails import INA238_ACCESS
from edge_rt.board.readers.raspberry_pi import PMIC_ACCESS
from edge_rt.board.readers.sysfs import numbered
from edge_rt.board.supply import agrees, doubts, known_of, shunts
from edge_rt.cli.doctor.machine import ExaminedMachine, MachineReading, group_of
from edge_rt.cli.doctor.remedies import let_group_use, load_module, seclusion
from edge_rt.cli.options import there
from edge_rt.core.reports.finding import Finding, note, problem

GROUP = "edge-rt"
_CHIPS: Mapping[str, SensorAccess] = {
    "rapl": rapl.ACCESS,
    "pmic": PMIC_ACCESS,
    "ina3221": ina3221.ACCESS,
    "ina238": INA238_ACCESS,
}
_ENABLE = ("# see that the device tree has all channels of the chip, enabled and labelled",)


def explain(machine: ExaminedMachine, chip: str) -> Finding:
    """Tell why a kind of power chip gives no power, in the words of its readers."""
    access = _CHIPS[chip]
    powers = [r for r in machine.readings if r.channel.kind == "power_w"]
    failed = [one for one in powers if one.reader in access.readers and one.value is None]
    errors = [f"{one.channel.name}: {one.error}" for one in failed]
    if _is_refused(machine, access, failed):
        return _refused(machine, access)
    if failed:
        return problem("power", f"{access.what} cannot be read: {errors[0]}", *access.advice)
    if _shown(machine, access):
        return _incomplete(machine, access)
    skipped = machine.discovery.skipped
    reasons = [one.reason for one in skipped if one.name.split()[0] in access.readers]
    what = f"{access.what} is not there ({'; '.join(reasons) or 'nothing tells why'})"
    where = seclusion(machine)
    if where is not None:
        return note("power", f"{what}: this is {where}; its host may have it")
    if access.module is None:
        return note("power", what)
    there_is = access.device and there(machine.roots.dev / access.device)
    module = () if there_is else load_module(machine, access.module)
    return problem("power", what, *module, *access.advice)


def grant(machine: ExaminedMachine, reader: str, user: str) -> tuple[str, ...]:
    """Return commands that let `user` read what `reader` reads; none where nothing is known."""
    access = next((one for one in _CHIPS.values() if reader in one.readers), None)
    if access is None:
        return ()
    if access.device or reader == "ina3221-i2c":  # of which distributions give the node to a group
        group = access.group if access.device else "i2c"
        return (f"{machine.user.sudo}usermod -aG {group} {user}",)
    return _by_rule(machine, access)


def _by_rule(machine: ExaminedMachine, access: SensorAccess) -> tuple[str, ...]:
    if access.rule is None:
        return ()
    return let_group_use(machine, access.rule(access.group), access.subsystem, access.group)


def doubtful(machine: ExaminedMachine) -> Iterator[Finding]:
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


def counter_files(machine: ExaminedMachine) -> list[Path]:
    """Return the energy counters of x86 packages."""
    return numbered(machine.roots.sysfs / "class" / "powercap", "intel-rapl*:*/energy_uj")


def iio_files(machine: ExaminedMachine) -> list[Path]:
    """Return the powers that JetPack 4's driver shows."""
    drivers = machine.roots.sysfs / "bus" / "i2c" / "drivers"
    return numbered(drivers / "ina3221x", "*-*/iio:device*/in_power*_input")


def group_reads(file: Path) -> bool:
    """Return whether others than root may read the file, by its group or all."""
    info = file.stat()
    return bool(info.st_mode & stat.S_IROTH or (info.st_mode & stat.S_IRGRP and info.st_gid))


def _is_refused(
    machine: ExaminedMachine, access: SensorAccess, failed: list[MachineReading]
) -> bool:
    device = machine.roots.dev / access.device
    shut = there(device) and not machine.access(device, os.R_OK) if access.device else False
    return shut or any(reading.refused for reading in failed)


def _refused(machine: ExaminedMachine, access: SensorAccess) -> Finding:
    user, device = machine.user, machine.roots.dev / access.device
    if machine.daemon_measures:
        return note("power", f"you may not read {access.what}, but the daemon can")
    owner = group_of(device) if access.device else "root"
    remedy = _by_rule(machine, access) if owner == "root" else ()
    joined = () if user.uid == 0 else user.join(access.group if owner == "root" else owner)
    return problem("power", f"{access.what} may not be read by you", *remedy, *joined)


def _shown(machine: ExaminedMachine, access: SensorAccess) -> list[str]:
    """Return the rails of a chip that a driver, or the bus, shows."""
    readers = (r for r in machine.discovery.readers if r.name in access.readers)
    channels = (channel for reader in readers for channel in reader.channels)
    return [channel.name for channel in channels if channel.kind == "power_w"]


def _incomplete(machine: ExaminedMachine, access: SensorAccess) -> Finding:
    """Tell which rails of the total the chip does not show, and why as far as that is known."""
    shown, board = _shown(machine, access), machine.board
    chips = {rail: known.chip for rail, known in board.rails.items()} if board else {}
    wanted = (rail for total in (board.totals if board else ()) for rail in total.rails)
    own = (rail for rail in wanted if (chip := chips.get(rail)) and _CHIPS[chip] is access)
    missing = dict.fromkeys(rail for rail in own if rail not in shown)
    marks = ("disabled", "not connected", "no such channel")
    skipped = [s for s in machine.discovery.skipped if any(mark in s.reason for mark in marks)]
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in skipped)
    told = f"{access.what} shows {', '.join(shown)}, but not {', '.join(missing)}"
    return problem("power", f"{told}{f' ({reasons})' if reasons else ''}", *_ENABLE)
