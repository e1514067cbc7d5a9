"""Commands that mend what the checks find, and where nothing can mend it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from edge_rt.board.readers.sysfs import first_line
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.options import nearest, text, there

RULES = "60-edge-rt.rules"
_PLACES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_CONTAINERS = ("run/systemd/container", ".dockerenv", "run/.containerenv")
_MAKERS = ("QEMU", "KVM", "VMware", "VirtualBox", "innotek", "Xen", "Bochs", "Amazon EC2")
_MODELS = ("Virtual Machine", "Google Compute Engine", "linux,dummy-virt")
_LOADERS = {  # files of boot loaders, and how the kernel's command line in them gets a word more
    "/boot/firmware/cmdline.txt": "1 s/$/ {}/",
    "/boot/cmdline.txt": "1 s/$/ {}/",
    "/boot/extlinux/extlinux.conf": "s/^ *APPEND .*/& {}/",
    "/etc/default/grub": 's/^GRUB_CMDLINE_LINUX="/&{} /',
}


def rules_installed(machine: ExaminedMachine) -> bool:
    """Return whether edge_rt's udev rules are where udev looks."""
    return any(there(machine.file(place) / RULES) for place in _PLACES)


def let_group_use(
    machine: ExaminedMachine, rule: str, subsystem: str, group: str
) -> tuple[str, ...]:
    """Install a udev rule, unless ours are there, and have it take effect on `subsystem` or all."""
    sudo = machine.user.sudo
    trigger = f"{sudo}udevadm trigger" + (f" --subsystem-match={subsystem}" if subsystem else "")
    if rules_installed(machine):
        return (f"getent group {group} || {sudo}groupadd --system {group}", trigger)
    return (
        f"getent group {group} || {sudo}groupadd --system {group}",
        f"echo {word(rule)} | {sudo}tee /etc/udev/rules.d/{RULES}",
        f"{sudo}udevadm control --reload",
        trigger,
    )


def word(path: object) -> str:
    """`path` as one word of a command line."""
    return shlex.quote(str(path))


def sudo_for(machine: ExaminedMachine, path: Path) -> str:
    """Return what goes before a command that writes to `path` or makes it."""
    return "" if machine.access(nearest(path), os.W_OK) else machine.user.sudo


def load_module(machine: ExaminedMachine, module: str) -> tuple[str, ...]:
    """Load a kernel module, now and at each start."""
    sudo = machine.user.sudo
    return (
        f"{sudo}modprobe {module}",
        f"echo {module} | {sudo}tee /etc/modules-load.d/{module}.conf",
    )


def boot_parameter(machine: ExaminedMachine, parameter: str) -> tuple[str, ...]:
    """Have the kernel start with a parameter, by whichever boot loader the files show."""
    sudo = machine.user.sudo
    for place, edit in _LOADERS.items():
        if there(machine.file(place)):
            made = (f"{sudo}update-grub",) if "grub" in place else ()
            change = f"{sudo}sed -i '{edit.format(parameter)}' {place}"
            return (change, *made, f"{sudo}reboot")
    return (f"# add {parameter} to the kernel's command line in your boot loader, then reboot",)


def own_profile(machine: ExaminedMachine, extends: str) -> str:
    """Return where a profile of this board belongs, and what says how to write one."""
    folder = machine.paths.config_file.parent / "boards.d"
    how = '"Describe a board of your own" in the documentation says how'
    return f"# a profile in {word(folder)} may extend {extends}: {how}"


def choose(machine: ExaminedMachine, board: str) -> tuple[str, ...]:
    """Commands that name the board in the configuration."""
    if machine.config.board is not None:
        return (f"# and set `board: {board}` in {machine.config_file}",)
    file = machine.config_file
    sudo = sudo_for(machine, file)
    tee = f"{sudo}tee -a {word(file)}"
    return (f"{sudo}mkdir -p {word(file.parent)}", f"echo 'board: {board}' | {tee}")


def seclusion(machine: ExaminedMachine) -> str | None:
    """Return "a container" or "a virtual machine", which see few sensors; None: neither."""
    if any(there(machine.file(place)) for place in _CONTAINERS):
        return "a container"
    known = machine.identity
    said = " ".join((known.dmi or "", known.model or "", *known.compatible))
    if any(word in said for word in (*_MAKERS, *_MODELS)) or _hypervisor(machine):
        return "a virtual machine"
    return None


def _hypervisor(machine: ExaminedMachine) -> bool:
    if first_line(machine.file("sys/hypervisor/type")):
        return True
    lines = text(machine.file("proc/cpuinfo")).splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return "hypervisor" in flags.split()
