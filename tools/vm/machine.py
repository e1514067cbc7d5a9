"""One run of the guest."""

from __future__ import annotations

import ctypes.util
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.system import Need

from vm.debian import PROGRAMS

QEMU = "qemu-system-x86_64"


@dataclass(frozen=True)
class Outcome:
    """What the guest left behind; `ended` is False when it was still running at the limit."""

    answers: str
    console: str
    ended: bool


@dataclass(frozen=True)
class Guest:
    """What is booted; `zones` is an ACPI table, `python` the first process."""

    kernel: Path
    initramfs: Path
    zones: Path
    python: Path


def command(
    guest: Guest,
    console: Path,
    answers: Path,
    first: str = "vm.guest",
    said: str = "",
    hardware: Sequence[str] = ("-m", "768"),
) -> list[str]:
    """QEMU with an emulated processor, no network, and both serial ports going to files.

    `first` is the module that the first process runs, `said` more for the kernel to hear, and
    `hardware` more options of QEMU's.
    """
    # An oops or panic reboots, which -no-reboot makes an end.
    said = f"console=ttyS0 panic=-1 oops=panic {said} rdinit={guest.python} -- -m {first}"
    return [
        *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "pc", "-accel", "tcg", "-cpu", "max", *hardware),
        *("-serial", f"file:{console}", "-serial", f"file:{answers}"),
        *("-kernel", str(guest.kernel), "-initrd", str(guest.initramfs), "-append", said),
        *("-acpitable", f"file={guest.zones}"),
    ]


def run(argv: Sequence[str], console: Path, answers: Path, limit_s: float) -> Outcome:
    """Run until the guest is off, at most `limit_s`; whatever happens, QEMU is gone afterwards."""
    ended = True
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        ended = False
    return Outcome(_text(answers), _text(console), ended)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


Which = Callable[[str], object]


def check_machine(machine: str | None = None, which: Which = shutil.which) -> None:
    """Raise SetupError where this cannot work at all."""
    if (machine or platform.machine()) != "x86_64":
        raise SetupError("--vm needs an x86-64 machine: Debian's i2c-stub is built for no other.")
    if not (which("apt-get") and which("dpkg-deb")):
        raise SetupError("--vm needs Debian: its kernel is fetched with apt-get.")


def needs(compiler: str, which: Which = shutil.which) -> list[Need]:
    """Return what is missing; `compiler` is what the kernel was built with, such as "gcc-14"."""
    wanted = (
        (which(QEMU), Need("QEMU, to run the guest", ("qemu-system-x86",))),
        (which(compiler), Need(f"{compiler}, which the kernel was built with", (compiler,))),
        (which("make"), Need("make, to build a module", ("make",))),
        (which("xz"), Need("xz, to unpack the kernel's sources", ("xz-utils",))),
        (which("iasl"), Need("iasl, for the guest's thermal zones", ("acpica-tools",))),
        (ctypes.util.find_library("elf"), Need("libelf, for the kernel's objtool", ("libelf1",))),
        *(
            (which(program), Need(f"{program}, to make a guest", (package,)))
            for program, package in (*PROGRAMS.items(), ("mke2fs", "e2fsprogs"))
        ),
    )
    return [need for found, need in wanted if not found]
