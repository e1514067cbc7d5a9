"""Have this kernel run programs for aarch64 through QEMU."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.system import Need, provide

# A Raspberry Pi 5's. QEMU's own choice has every extension, and is slower for it.
PROCESSOR = "cortex-a76"

_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_NAME = "qemu-aarch64"
_QEMU = Path("/usr/bin/qemu-aarch64-static")
# The first 20 bytes of an ELF file of 64 bits, little-endian, for machine 0xb7. The mask lets the
# kind of system be any, and the file an executable or a shared one.
_HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
_MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"


def prepare(log: Path) -> None:
    """Install what a root takes, and register QEMU where it is missing. Raises SetupError."""
    native = platform.machine() == "aarch64"
    programs = {Path("/usr/bin/mmdebstrap"): "mmdebstrap"}
    if not native:
        programs |= {Path("/usr/bin/arch-test"): "arch-test", _QEMU: "qemu-user-static"}
    needs = [Need(path.name, (name,)) for path, name in programs.items() if not path.exists()]
    provide(needs, log, root=os.geteuid() == 0)
    if not native:
        _register(log)


def registration(name: str, qemu: Path) -> str:
    """Return the line that makes `qemu` the interpreter of aarch64's programs.

    Flag F has the kernel open it now, since a root does not have it; O and C are for programs that
    change the user.
    """
    return f":{name}:M::{_escaped(_HEADER)}:{_escaped(_MASK)}:{qemu}:OCF"


def _register(log: Path) -> None:
    if not (_FORMATS / "register").exists():
        run_logged(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_FORMATS)], log)
    if (_FORMATS / _NAME).exists():
        return
    try:
        (_FORMATS / "register").write_text(registration(_NAME, _QEMU))
    except OSError as error:
        raise SetupError(f"Programs for aarch64 cannot be run here: {error}") from error


def _escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)
