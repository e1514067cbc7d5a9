"""A Debian for aarch64 with Python and without a compiler, and commands in it."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from vm.debian import suite

from arm64lib.emulation import PROCESSOR

# libgomp1 is what llama.cpp is linked against, git is for the tests of this checkout.
PACKAGES = ("ca-certificates", "git", "libgomp1", "python3", "python3-venv")

# How this machine reaches a network: a root has none of its own.
_FROM_HERE = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
# What it mounts must not outlive it where this machine sees it: removing a root would follow.
_PRIVATE = ("unshare", "--mount", "--propagation=private")


def find_or_make(cache: Path, log: Path) -> Path:
    """Return the root, which the first run makes; raises SetupError. Only root can."""
    folder = cache / "arm64-root"
    said = f"{suite()} {PACKAGES}".encode()
    root = folder / hashlib.sha256(said).hexdigest()[:12]
    if root.is_dir():
        return root
    shutil.rmtree(folder, ignore_errors=True)  # those of old
    folder.mkdir()
    with (
        Progress("Making a Debian root for aarch64"),
        tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch,
    ):
        made = Path(scratch, "root")
        words = ["--architectures=arm64", "--variant=apt", f"--include={','.join(PACKAGES)}"]
        run_logged([*_PRIVATE, "mmdebstrap", "--quiet", *words, suite(), str(made)], log)
        made.rename(root)
    return root


def command(
    root: Path, words: Sequence[str], bound: Mapping[str, Path], env: Mapping[str, str]
) -> list[str]:
    """Return the command that runs `words` in `root`, in its folder /srv.

    `bound` has places in the root and the folders of this machine that are seen there. The
    environment is `env` and little else. The mounts are seen by nobody else and end with it.
    """
    mounts = [
        f"mount --rbind {place} {shlex.quote(f'{root}{place}')}"
        for place in ("/proc", "/dev", "/sys")
    ]
    for there, here in bound.items():
        target = shlex.quote(f"{root}{there}")
        mounts += [f"mkdir -p {target}", f"mount --bind {shlex.quote(str(here))} {target}"]
    for file in filter(os.path.exists, _FROM_HERE):
        target = shlex.quote(f"{root}{file}")
        mounts += [f"touch {target}", f"mount --bind {file} {target}"]
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
