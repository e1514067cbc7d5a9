"""Clocks, and the Jetson's power mode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_rt.board.readers.cpufreq import Policy, policies
from edge_rt.board.readers.sysfs import first_integer, first_line
from edge_rt.cli.doctor.finding import Finding, note, ok
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.remedies import word
from edge_rt.cli.doctor.virtual import seclusion
from edge_rt.cli.files import text

_MODE = re.compile(r"pmode:(\d+)")
_NAMES = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)")
_OWN_DRIVERS = ("intel_pstate", "amd-pstate-epp")  # whose "powersave" is the usual governor


def check_clocks(machine: Machine) -> Iterator[Finding]:
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


def _held(machine: Machine, known: tuple[Policy, ...]) -> Iterator[Finding]:
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


def check_power_mode(machine: Machine) -> Iterator[Finding]:
    """Which of NVIDIA's power modes is on; nothing on other boards."""
    table = text(machine.file("etc/nvpmodel.conf"))
    if not table:
        return
    names = {int(number): name for number, name in _NAMES.findall(table)}
    match = _MODE.search(text(machine.file("var/lib/nvpmodel/status")))
    if match is None:
        ask = f"{machine.user.sudo}nvpmodel -q"
        yield note(
            "power mode", f"not told by any file; there are {', '.join(names.values())}", ask
        )
        return
    number = int(match[1])
    yield ok("power mode", f"{names.get(number, 'unknown')} (nvpmodel's number {number})")
