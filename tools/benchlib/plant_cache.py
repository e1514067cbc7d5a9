"""Results of the second plant that depend on no governor, kept from one benchmark to the next."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

Values = Mapping[str, float]

_HERE = Path(__file__).parent
_SOURCES = ("plant_*.py", "trace.py")
_OTHER = frozenset({"plant_cache.py", "plant_days.py", "plant_leak.py"})  # no result depends on


class Kept:
    """Results by name in one file for a scene, in a folder for one state of the plant's sources.

    None for `folder` keeps nothing.
    """

    def __init__(self, folder: Path | None, scene: str) -> None:
        name = hashlib.sha256(scene.encode()).hexdigest()[:20]
        self._file = None if folder is None else folder / sources() / f"{name}.json"
        self._known: dict[str, Values | None] = {}
        if self._file is not None and self._file.exists():
            self._known = json.loads(self._file.read_text())
        self._new = False

    def get(self, name: str, make: Callable[[], Values | None]) -> Values | None:
        """The result of this name, made where it is not known."""
        if name not in self._known:
            self._known[name], self._new = make(), True
        return self._known[name]

    def write(self) -> None:
        """Write the file if there are new results; the last of several writers counts."""
        if self._file is None or not self._new:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(self._known))
        part.replace(self._file)


def sources() -> str:
    """A hash of all files that a result may depend on."""
    found = hashlib.sha256()
    files = {f for pattern in _SOURCES for f in _HERE.glob(pattern) if f.name not in _OTHER}
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
