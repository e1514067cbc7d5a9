"""Whether what is to outlive the daemon gets to the disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from edge_rt.core.reports.storage import StorageReport
from edge_rt.trouble import Trouble

_ASIDE = "*.db.corrupt-*"


class Keeping:
    """Knows the troubles of all files of the state directory."""

    def __init__(self, folder: Path, troubles: Mapping[str, Trouble | None]) -> None:
        """`troubles` are by the file's name, None: there is none to write."""
        self._folder = folder
        self._troubles = {name: one for name, one in troubles.items() if one is not None}

    @property
    def failing(self) -> dict[str, str]:
        """What is so while files cannot be written, and why, by their names."""
        found = {name: trouble.told for name, trouble in self._troubles.items()}
        return {name: told for name, told in found.items() if told is not None}

    def report(self) -> StorageReport:
        """All that is known."""
        return StorageReport(list(self._troubles), self.failing, self._aside(), self._free_bytes())

    def _aside(self) -> list[str]:
        try:
            files = [f for place in ("", "simulated/*/") for f in self._folder.glob(place + _ASIDE)]
        except OSError:
            return []
        names = (str(file.relative_to(self._folder)) for file in files)
        return sorted(name for name in names if not name.endswith(("-wal", "-shm")))

    def _free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None
