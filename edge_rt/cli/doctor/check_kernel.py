"""What the kernel sets and counts: clocks, pressure, the memory of services."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.clocks import Policy, policies
from edge_rt.board.readers.sysfs import first_integer, first_line
from edge_rt.cli.doctor.finding import CheckFinding, note, ok, problem
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import boot_parameter, let_group_use, seclusion, word, written
from edge_rt.cli.options import text, there
from edge_rt.governor.knobs import clock_files
from edge_rt.governor.knobs.knob import GROUP, KnobError

_MODE = re.compile(r"pmode:(\d+)")
_NAMES = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)")
_OWN_DRIVERS = ("intel_pstate", "amd-pstate-epp")  # whose "powersave" is the usual governor


def check_clocks(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Whether clocks can be read, and who sets them."""
    known = policies(machine.roots.sysfs)
    if not known:
        where = seclusion(machine)
        why = f"this is {where}" if where else "the kernel has no cpufreq driver for this board"
        yield note("clocks", f"no clock can be read: {why}")
        return
    tops = [policy.hardware_max_hz for policy in known if policy.hardware_max_hz]
    top = f"up to {max(tops) / 1e9:.2f} GHz" if tops else "top clock unknown"
    cores = sum(len(policy.cpus) for policy in known)
    governors = {first_line(policy.folder / "scaling_governor") for policy in known} - {None}
    names = ", ".join(sorted(str(name) for name in governors))
    yield ok("clocks", f"{cores} cores, {top}" + (f", governor {names}" if names else ""))
    yield from _held(machine, known)


def _held(machine: ExaminedMachine, known: tuple[Policy, ...]) -> Iterator[CheckFinding]:
    slow = [policy for policy in known if _powersave(policy)]
    if slow:
        files = f"{word(slow[0].folder.parent)}/policy*/scaling_governor"
        remedy = f"echo schedutil | {machine.user.sudo}tee {files}"
        yield note("clocks", "governor powersave keeps the slowest clock", remedy)
    capped = [policy for policy in known if _cap_hz(policy) is not None]
    if capped and machine.config.knobs.cpufreq is None:
        limit = _cap_hz(capped[0]) or 0.0
        what = f"{capped[0].name} is limited to {limit / 1e9:.2f} GHz, below what it can do"
        yield note("clocks", what)


def _powersave(policy: Policy) -> bool:
    governor = first_line(policy.folder / "scaling_governor")
    return governor == "powersave" and (
        first_line(policy.folder / "scaling_driver") not in _OWN_DRIVERS
    )


def _cap_hz(policy: Policy) -> float | None:
    khz = first_integer(policy.folder / "scaling_max_freq")
    if khz is None or policy.hardware_max_hz is None:
        return None
    return khz * 1e3 if khz * 1e3 < policy.hardware_max_hz else None


def power_modes(machine: ExaminedMachine) -> dict[int, str]:
    """Return the names of NVIDIA's power modes by their numbers."""
    table = text(machine.file("etc/nvpmodel.conf"))
    return {int(number): name for number, name in _NAMES.findall(table)}


def power_mode(machine: ExaminedMachine) -> int | None:
    """Return the number of the power mode that is on; None: no file tells."""
    match = _MODE.search(text(machine.file("var/lib/nvpmodel/status")))
    return int(match[1]) if match else None


def check_power_mode(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Which of NVIDIA's power modes is on; nothing on other boards."""
    if not text(machine.file("etc/nvpmodel.conf")):
        return
    names, number = power_modes(machine), power_mode(machine)
    if number is None:
        ask = f"{machine.user.sudo}nvpmodel -q"
        yield note(
            "power mode", f"not told by any file; there are {', '.join(names.values())}", ask
        )
        return
    yield ok("power mode", f"{names.get(number, 'unknown')} (nvpmodel's number {number})")


TMPFILES = "edge-rt.conf"
_OWN = "edge-rt-knobs.conf"
_PLACES = ("etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d")


def check_governed_clocks(machine: ExaminedMachine) -> Iterator[CheckFinding]:
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


def check_pressure(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Whether the kernel tells for how long tasks want for memory."""
    known = [r for r in machine.readings if r.reader == "pressure"]
    if any(r.value is not None for r in known):
        yield ok("pressure", "the kernel counts pressure stalls (PSI)")
        return
    why = known[0].error if known else f"no {machine.roots.proc}/pressure"
    what = f"the kernel counts no pressure stalls ({why}): memory shortage is seen later"
    yield note("pressure", what, *boot_parameter(machine, "psi=1"))


def check_memory_cgroup(machine: ExaminedMachine) -> Iterator[CheckFinding]:
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
