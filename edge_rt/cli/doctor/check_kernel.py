"""What the kernel sets and counts: clocks, pressure, the memory of services."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import boot_parameter, let_group_use, seclusion, written
from edge_rt.cli.options import text, there
from edge_rt.core.finding import Finding, note, ok, problem
from edge_rt.governor.knobs import clock_files
from edge_rt.governor.knobs.knob import GROUP, KnobError
from edge_rt.governor.knobs.programs import diagnose_mode


def check_clocks(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether clocks can be read, who sets them, and what caps them."""
    found = [one for one in machine.told if one.id == "clocks"]
    yield from found
    if not found:
        where = seclusion(machine)
        why = f"this is {where}" if where else "the kernel has no cpufreq driver for this board"
        yield note("clocks", f"no clock can be read: {why}")
    if machine.config.knobs.cpufreq is None:
        yield from clock_files.capped(machine.roots.sysfs)


def check_power_mode(machine: ExaminedMachine) -> Iterable[Finding]:
    """Return which of NVIDIA's power modes is on; nothing on other boards."""
    return machine.own(diagnose_mode(machine.root))


TMPFILES = "edge-rt.conf"
_OWN = "edge-rt-knobs.conf"
_PLACES = ("etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d")


def check_governed_clocks(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check the rights of the files, unless a daemon runs, which reports what it could not set."""
    if machine.ask("/edge/v1/status"):
        return
    for name in ("knobs.cpufreq", "knobs.gpufreq"):
        try:
            shut = _shut(machine, name)
        except KnobError as error:
            yield problem("knob", f"{name}: {error}")
            continue
        if shut is not None:
            what = f"{name} is governed, and the daemon may not write {shut}"
            yield problem("knob", what, *right_to(machine, name))


def right_to(machine: ExaminedMachine, name: str) -> tuple[str, ...]:
    """Commands that let the daemon set the clock of a configuration key; none if it may already."""
    try:
        if _shut(machine, name) is None:
            return ()
    except KnobError:
        return ()
    if name == "knobs.cpufreq":
        remedy = _cpu(machine)
    else:
        remedy = let_group_use(machine, clock_files.udev_rule(GROUP), "devfreq", GROUP)
    return (*remedy, f"# a daemon that is no service needs {GROUP} among its user's groups")


def _shut(machine: ExaminedMachine, name: str) -> Path | None:
    """The first file of a governed clock that only root may write."""
    knobs, sysfs = machine.config.knobs, machine.roots.sysfs
    if name == "knobs.cpufreq" and knobs.cpufreq is not None:
        files = clock_files.cpu_files(sysfs)
    elif name == "knobs.gpufreq" and knobs.gpufreq is not None:
        files = clock_files.gpu_files(sysfs)
    else:
        return None
    paths = (file.knob.path for file in files)
    return next((path for path in paths if not _open(machine, path)), None)


def _open(machine: ExaminedMachine, path: Path) -> bool:
    """Whether a daemon that is not root could write it."""
    if (machine.simulated or machine.user.uid != 0) and machine.access(path, os.W_OK):
        return True
    info = path.stat()
    return bool(info.st_mode & stat.S_IWOTH or (info.st_mode & stat.S_IWGRP and info.st_gid))


def _cpu(machine: ExaminedMachine) -> tuple[str, ...]:
    sudo = machine.user.sudo
    if any(there(machine.file(place) / TMPFILES) for place in _PLACES):
        return (f"{sudo}systemd-tmpfiles --create --prefix=/sys {TMPFILES}",)
    return (
        f"getent group {GROUP} || {sudo}groupadd --system {GROUP}",
        *written(clock_files.tmpfiles_line(GROUP), f"/etc/tmpfiles.d/{_OWN}", sudo),
        f"{sudo}systemd-tmpfiles --create {_OWN}",
    )


def check_pressure(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether the kernel tells for how long tasks want for memory."""
    found = [one for one in machine.told if one.id == "pressure"]
    yield from found
    if not found:
        errors = (one.error for one in machine.readings if one.reader == "pressure")
        why = next(errors, f"no {machine.roots.proc}/pressure")
        what = f"the kernel counts no pressure stalls ({why}): memory shortage is seen later"
        yield note("pressure", what, *boot_parameter(machine, "psi=1"))


def check_memory_cgroup(machine: ExaminedMachine) -> Iterator[Finding]:
    """Whether a service's memory can be limited; nothing where the files do not tell."""
    enabled = _memory_cgroup(machine)
    if enabled:
        yield ok("memory cgroup", "the memory of services can be limited")
    elif enabled is False:
        what = "the kernel does not limit the memory of services: MemoryMax= has no effect"
        yield note("memory cgroup", what, *boot_parameter(machine, "cgroup_enable=memory"))


def _memory_cgroup(machine: ExaminedMachine) -> bool | None:
    controllers = text(machine.roots.sysfs / "fs" / "cgroup" / "cgroup.controllers").split()
    if "memory" in controllers:
        return True
    for line in text(machine.roots.proc / "cgroups").splitlines():
        if (columns := line.split())[:1] == ["memory"]:
            return columns[-1] == "1"
    return False if controllers else None
