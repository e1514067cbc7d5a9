"""What stands where a file is to be, and must not be read to its end, which may never come."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_rt.core.files import YAML_BYTES


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def _huge(path: Path) -> Path:
    path.touch()
    os.truncate(path, YAML_BYTES + 1)
    return path


KINDS: Mapping[str, Callable[[Path], Path]] = {"fifo": _fifo, "device": _device, "huge": _huge}
