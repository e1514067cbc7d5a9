"""What a guest tells while it runs, one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WHOLE = frozenset(("left", "answer", "again", "sensors"))


class Told:
    """Reads the file that a guest's serial port goes to, as far as it is written."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.said: dict[str, Any] = {}
        self.failed: list[str] = []
        self.rows: dict[str, dict[str, float]] = {}  # committed, by database: when that was read
        self._file, self._clock = file, clock
        self._read = 0

    @property
    def is_whole(self) -> bool:
        """Whether all was told that every guest tells, and a row of the ledger."""
        return self.said.keys() >= WHOLE and "ledger.db" in self.rows

    def read(self) -> Told:
        """Take what is new; of the last line only a whole one."""
        if self._file.exists():
            whole, end, _ = self._file.read_bytes()[self._read :].rpartition(b"\n")
            self._read += len(whole) + len(end)
            for line in whole.splitlines():
                self._take(json.loads(line))
        return self

    def _take(self, message: dict[str, Any]) -> None:
        if "failed" in message:
            self.failed.append(message.pop("failed"))
        now = self._clock()
        for name, rows in message.pop("rows", {}).items():
            self.rows.setdefault(name, {}).update((repr(row), now) for row in rows)
        self.said |= message
