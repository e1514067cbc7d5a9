"""Shell commands that mend what the checks find, as lines that can be copied."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.user import group_of
from edge_rt.cli.files import there

RULES = "60-edge-rt.rules"
_RULE_WIDTH = 56
_PLACES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")


def rules_installed(machine: Machine) -> bool:
    """Whether edge_rt's udev rules are where udev looks."""
    return any(there(machine.file(place) / RULES) for place in _PLACES)


def let_group_use(machine: Machine, rule: str, subsystem: str, group: str) -> tuple[str, ...]:
    """Install the udev rule for `subsystem`, unless it is there, and have it take effect."""
    sudo = machine.user.sudo
    trigger = f"{sudo}udevadm trigger --subsystem-match={subsystem}"
    if rules_installed(machine):
        return (f"getent group {group} || {sudo}groupadd --system {group}", trigger)
    return (
        f"getent group {group} || {sudo}groupadd --system {group}",
        *written(broken(rule), f"/etc/udev/rules.d/{RULES}", sudo),
        f"{sudo}udevadm control --reload",
        trigger,
    )


def broken(rule: str) -> str:
    """A udev rule in lines that fit a screen; udev does not mind how they are indented."""
    lines = [""]
    for part in rule.split(", "):
        if lines[-1] and len(lines[-1]) + len(part) > _RULE_WIDTH:
            lines.append("  ")
        lines[-1] += f"{part}, "
    return ", \\\n".join(line.removesuffix(", ") for line in lines)


def written(text: str, path: object, sudo: str) -> tuple[str, ...]:
    """Write lines, which may be indented, into a file."""
    quoted = "printf '%s\\n' '" + text.replace("'", "'\\''") + "' |"
    return (*quoted.splitlines(), f"  {sudo}tee {word(path)}")


def word(path: object) -> str:
    """`path` as one word of a command line."""
    return shlex.quote(str(path))


def sudo_for(machine: Machine, path: Path) -> str:
    """What goes before a command that writes to `path` or makes it."""
    nearest = next(place for place in (path, *path.parents) if there(place))
    return "" if machine.access(nearest, os.W_OK) else machine.user.sudo


def load_module(machine: Machine, module: str) -> tuple[str, ...]:
    """Load a kernel module, now and at each start."""
    sudo = machine.user.sudo
    return (
        f"{sudo}modprobe {module}",
        f"echo {module} | {sudo}tee /etc/modules-load.d/{module}.conf",
    )


def boot_parameter(machine: Machine, parameter: str) -> tuple[str, ...]:
    """Have the kernel start with a parameter, by whichever boot loader the files show."""
    sudo = machine.user.sudo
    for place in ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt"):
        if there(machine.file(place)):
            return (f"{sudo}sed -i '1 s/$/ {parameter}/' {place}", f"{sudo}reboot")
    if there(machine.file("/boot/extlinux/extlinux.conf")):
        edit = f"s/^ *APPEND .*/& {parameter}/"
        return (f"{sudo}sed -i '{edit}' /boot/extlinux/extlinux.conf", f"{sudo}reboot")
    if there(machine.file("/etc/default/grub")):
        edit = f's/^GRUB_CMDLINE_LINUX="/&{parameter} /'
        return (
            f"{sudo}sed -i '{edit}' /etc/default/grub",
            f"{sudo}update-grub",
            f"{sudo}reboot",
        )
    return (f"# add {parameter} to the kernel's command line in your boot loader, then reboot",)


def access_to_bus(machine: Machine, device: str) -> tuple[str, ...]:
    """Become able to open an I2C bus, which distributions leave to group i2c."""
    sudo, user = machine.user.sudo, machine.user
    group = group_of(machine.file(device))
    if group != "root":
        return user.join(group)
    return (
        f"{sudo}apt-get install i2c-tools",
        f"{sudo}udevadm trigger {word(device)}",
        *user.join("i2c"),
    )
