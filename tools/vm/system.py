"""What this machine must have to build the modules and to run the guest."""

from __future__ import annotations

import ctypes.util
import platform
import shutil
from collections.abc import Callable

from bootstrap import SetupError
from bootstrap.system import Need

from vm.nspawn import PROGRAMS

Which = Callable[[str], object]

QEMU = "qemu-system-x86_64"


def check_machine(machine: str | None = None, which: Which = shutil.which) -> None:
    """Raise SetupError where this cannot work at all."""
    if (machine or platform.machine()) != "x86_64":
        raise SetupError("--vm needs an x86-64 machine: Debian's i2c-stub is built for no other.")
    if not (which("apt-get") and which("dpkg-deb")):
        raise SetupError("--vm needs Debian: its kernel is fetched with apt-get.")


def needs(compiler: str, which: Which = shutil.which) -> list[Need]:
    """What is missing; `compiler` is what the kernel was built with, such as "gcc-14"."""
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
