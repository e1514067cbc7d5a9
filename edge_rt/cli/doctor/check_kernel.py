"""What the kernel sets and counts: clocks, and the memory of services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import boot_parameter, seclusion
from edge_rt.cli.options import text
from edge_rt.core.reports.finding import Finding, note, ok
from edge_rt.governor.knobs import clock_files
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


def check_governed_clocks(machine: ExaminedMachine) -> Iterable[Finding]:
    """Return clocks that cannot be set, unless a daemon runs, which reports that itself."""
    if machine.ask("/edge/v1/status"):
        return ()
    found = clock_files.diagnose(machine.config.knobs, machine.roots.sysfs, machine.may_write)
    return machine.own(found)


def check_memory_cgroup(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether a service's memory can be limited; nothing where the files do not tell."""
    controllers = text(machine.roots.sysfs / "fs" / "cgroup" / "cgroup.controllers").split()
    if "memory" in controllers:
        yield ok("memory cgroup", "the memory of services can be limited")
    elif controllers:
        what = "the kernel does not limit the memory of services: MemoryMax= has no effect"
        yield note("memory cgroup", what, *boot_parameter(machine, "cgroup_enable=memory"))
