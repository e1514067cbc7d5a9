"""A Debian for aarch64 with Python and without a compiler, and commands in it."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from vm.debian import suite

from arm64lib.emulation import PROCESSOR

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
        # Unpacked by this machine: their scripts would take QEMU ten minutes.
        words = ["--architectures=arm64", "--variant=extract", "--format=directory"]
        words += [f"--include={','.join(PACKAGES)}", suite(), str(made)]
        run_logged([*_PRIVATE, "mmdebstrap", "--quiet", *words], log)
        for name in ("passwd", "group"):
            shutil.copyfile(made / f"usr/share/base-passwd/{name}.master", made / "etc" / name)
        made.rename(root)
    return root


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
