"""Whether the daemon may set the clocks that the configuration has it govern."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge_rt.cli.doctor.finding import Finding, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.remedies import let_group_use, written
from edge_rt.cli.files import there
from edge_rt.governor.knobs.clocks import cpufreq, gpufreq
from edge_rt.governor.knobs.files import GROUP
from edge_rt.governor.knobs.knob import KnobError

TMPFILES = "edge-rt.conf"
_OWN = "edge-rt-knobs.conf"
_PLACES = ("etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d")


def check_governed_clocks(machine: Machine) -> Iterator[Finding]:
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


def right_to(machine: Machine, name: str) -> tuple[str, ...]:
    """Commands that let the daemon set the clock of a configuration key; none if it may already."""
    try:
        if _shut(machine, name) is None:
            return ()
    except KnobError:
        return ()
    remedy = _cpu(machine) if name == "knobs.cpufreq" else _gpu(machine)
    return (*remedy, f"# a daemon that is no service needs {GROUP} among its user's groups")


def _shut(machine: Machine, name: str) -> Path | None:
    """The first file of a governed clock that only root may write."""
    knobs, sysfs = machine.config.knobs, machine.roots.sysfs
    if name == "knobs.cpufreq" and knobs.cpufreq is not None:
        files = cpufreq.cpu_files(sysfs)
    elif name == "knobs.gpufreq" and knobs.gpufreq is not None:
        files = gpufreq.gpu_files(sysfs)
    else:
        return None
    paths = (file.knob.path for file in files)
    return next((path for path in paths if not _open(machine, path)), None)


def _open(machine: Machine, path: Path) -> bool:
    """Whether a daemon that is not root could write it."""
    if (machine.simulated or machine.user.uid != 0) and machine.access(path, os.W_OK):
        return True
    info = path.stat()
    return bool(info.st_mode & stat.S_IWOTH or (info.st_mode & stat.S_IWGRP and info.st_gid))


def _cpu(machine: Machine) -> tuple[str, ...]:
    sudo = machine.user.sudo
    if any(there(machine.file(place) / TMPFILES) for place in _PLACES):
        return (f"{sudo}systemd-tmpfiles --create --prefix=/sys {TMPFILES}",)
    return (
        f"getent group {GROUP} || {sudo}groupadd --system {GROUP}",
        *written(cpufreq.tmpfiles_line(GROUP), f"/etc/tmpfiles.d/{_OWN}", sudo),
        f"{sudo}systemd-tmpfiles --create {_OWN}",
    )


def _gpu(machine: Machine) -> tuple[str, ...]:
    return let_group_use(machine, gpufreq.udev_rule(GROUP), "devfreq", GROUP)
