"""A Debian for aarch64 with Python and without a compiler, and commands in it."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap import SetupError
from bootstrap.kept import kept
from bootstrap.logged import run_logged
from bootstrap.system import Need, provide
from vm.debian import suite

# A Raspberry Pi 5's. QEMU's own choice has every extension, and is slower for it.
PROCESSOR = "cortex-a76"

_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_NAME = "qemu-aarch64"
_QEMU = Path("/usr/bin/qemu-aarch64-static")
# The first 20 bytes of an ELF file of 64 bits, little-endian, for machine 0xb7. The mask lets the
# kind of system be any, and the file an executable or a shared one.
_HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
_MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
# libgomp1 is what llama.cpp is linked against, libstdc++6 what onnxruntime is; git is for the tests
# of this checkout.
PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "diffutils", "findutils", "grep"),
    *("hostname", "libc-bin", "procps", "sed", "util-linux", "python3", "python3-venv"),
    *("libgomp1", "libstdc++6", "git"),
)
# How this machine reaches a network: a root has none of its own.
_FROM_HERE = (
    *(Path("/etc/resolv.conf"), Path("/etc/pip.conf")),
    Path("/etc/ssl/certs/ca-certificates.crt"),
)
_KERNELS = ("/proc", "/dev", "/sys")
# What it mounts must not outlive it where this machine sees it: removing a root would follow.
_PRIVATE = ("unshare", "--mount", "--propagation=private")


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


def find_or_make(cache: Path, log: Path) -> Path:
    """Return the root, which the first run makes; raises SetupError. Only root can."""

    def unpack(scratch: Path) -> Path:
        made = scratch / "root"
        # Unpacked by this machine: their scripts would take QEMU ten minutes.
        words = ["--architectures=arm64", "--variant=extract", "--format=directory"]
        words += [f"--include={','.join(PACKAGES)}", suite(), str(made)]
        run_logged([*_PRIVATE, "mmdebstrap", "--quiet", *words], log)
        for name in ("passwd", "group"):
            shutil.copyfile(made / f"usr/share/base-passwd/{name}.master", made / "etc" / name)
        return made

    key = hashlib.sha256(f"{suite()} {PACKAGES}".encode()).hexdigest()[:12]
    return kept(cache / "arm64-root" / key, "Making a Debian root for aarch64", unpack)


def command(
    root: Path, words: Sequence[str], bound: Mapping[str, Path], env: Mapping[str, str]
) -> list[str]:
    """Return the command that runs `words` in `root`, in its folder /srv.

    `bound` has places in the root and the folders of this machine that are seen there. The
    environment is `env` and little else. The mounts are seen by nobody else and end with it.
    """
    mounts = [shlex.join(["mount", "--rbind", place, f"{root}{place}"]) for place in _KERNELS]
    here_too = {str(file): file for file in _FROM_HERE if file.exists()}
    for there, here in {**bound, **here_too}.items():
        target = root / there.lstrip("/")
        made = [f"mkdir -p {shlex.quote(str(target if here.is_dir() else target.parent))}"]
        made += [] if here.is_dir() else [f"touch {shlex.quote(str(target))}"]
        mounts += [*made, shlex.join(["mount", "--bind", str(here), str(target)])]
    settings = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "QEMU_CPU": PROCESSOR,
        **env,
    }
    given = [f"{name}={value}" for name, value in settings.items()]
    inside = ["env", "--ignore-environment", "--chdir=/srv", *given, *words]
    script = " && ".join([*mounts, f"exec {shlex.join(['chroot', str(root), *inside])}"])
    return [*_PRIVATE, "sh", "-c", script]
