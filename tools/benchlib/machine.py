"""What the benchmark ran on, and which commit it ran."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def commit(checkout: Path) -> str | None:
    """The checked-out commit, "-dirty" behind it when files differ; None outside of git."""
    head = _git(checkout, "rev-parse", "HEAD")
    if head is None:
        return None
    return f"{head}-dirty" if _git(checkout, "status", "--porcelain") else head


def describe(root: Path = Path("/")) -> dict[str, object]:
    """The machine as a flat mapping; unknown entries are None.

    `root` is where proc and sys lie. `cores` counts what this process may use.
    """
    return {
        "board": _text(root / "proc/device-tree/model"),
        "cpu": _field(root / "proc/cpuinfo", ("model name", "Model", "Hardware")),
        "arch": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": _memory_mb(root / "proc/meminfo"),
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _git(checkout: Path, *argv: str) -> str | None:
    try:
        done = subprocess.run(["git", *argv], cwd=checkout, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _field(path: Path, keys: tuple[str, ...]) -> str | None:
    """The value of the first line of `path` whose key is one of `keys`."""
    for line in (_text(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return None


def _memory_mb(meminfo: Path) -> int | None:
    total = _field(meminfo, ("MemTotal",))
    return int(total.split()[0]) // 1024 if total else None
