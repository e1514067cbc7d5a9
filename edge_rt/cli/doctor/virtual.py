"""Whether this is a real board at all."""

from __future__ import annotations

from edge_rt.board.readers.sysfs import first_line
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.files import text, there

_CONTAINERS = ("run/systemd/container", ".dockerenv", "run/.containerenv")
_MAKERS = ("QEMU", "KVM", "VMware", "VirtualBox", "innotek", "Xen", "Bochs", "Amazon EC2")
_MODELS = ("Virtual Machine", "Google Compute Engine", "linux,dummy-virt")


def seclusion(machine: Machine) -> str | None:
    """ "a container" or "a virtual machine", which see little of the board's sensors."""
    if any(there(machine.file(place)) for place in _CONTAINERS):
        return "a container"
    known = machine.identity
    said = " ".join((known.dmi or "", known.model or "", *known.compatible))
    if any(word in said for word in (*_MAKERS, *_MODELS)) or _hypervisor(machine):
        return "a virtual machine"
    return None


def _hypervisor(machine: Machine) -> bool:
    if first_line(machine.file("sys/hypervisor/type")):
        return True
    lines = text(machine.file("proc/cpuinfo")).splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return "hypervisor" in flags.split()
