"""What the kernel counts: pressure, and the memory of services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_rt.cli.doctor.finding import Finding, note, ok
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.remedies import boot_parameter
from edge_rt.cli.files import text


def check_pressure(machine: Machine) -> Iterator[Finding]:
    """Whether the kernel tells for how long tasks want for memory."""
    known = [r for r in machine.readings if r.reader == "pressure"]
    if any(r.value is not None for r in known):
        yield ok("pressure", "the kernel counts pressure stalls (PSI)")
        return
    why = known[0].error if known else f"no {machine.roots.proc}/pressure"
    what = f"the kernel counts no pressure stalls ({why}): memory shortage is seen later"
    yield note("pressure", what, *boot_parameter(machine, "psi=1"))


def check_memory_cgroup(machine: Machine) -> Iterator[Finding]:
    """Whether a service's memory can be limited; nothing where the files do not tell."""
    enabled = _memory_cgroup(machine)
    if enabled:
        yield ok("memory cgroup", "the memory of services can be limited")
    elif enabled is False:
        what = "the kernel does not limit the memory of services: MemoryMax= has no effect"
        yield note("memory cgroup", what, *boot_parameter(machine, "cgroup_enable=memory"))


def _memory_cgroup(machine: Machine) -> bool | None:
    controllers = _words(machine.roots.sysfs / "fs" / "cgroup" / "cgroup.controllers")
    if "memory" in controllers:
        return True
    for row in _rows(machine.roots.proc / "cgroups"):
        if row[0] == "memory":
            return row[-1] == "1"
    return False if controllers else None


def _words(path: Path) -> list[str]:
    return [word for row in _rows(path) for word in row]


def _rows(path: Path) -> list[list[str]]:
    return [line.split() for line in text(path).splitlines() if line.split()]
