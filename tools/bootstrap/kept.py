"""Results that are made once and kept in the cache, under a key of their inputs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bootstrap.progress import Progress


def kept(place: Path, title: str, make: Callable[[Path], Path], old: str = "*") -> Path:
    """Return the folder `place`: where it is missing, what `make` makes in a folder for scratch.

    What lies beside it and is named as `old` says, a pattern, goes.
    """
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        for other in place.parent.glob(old):
            shutil.rmtree(other, ignore_errors=True)
        with (
            Progress(title),
            tempfile.TemporaryDirectory(dir=place.parent, ignore_cleanup_errors=True) as scratch,
        ):
            make(Path(scratch)).rename(place)
    return place
