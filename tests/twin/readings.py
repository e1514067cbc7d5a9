"""What the daemon's own readers find in a tree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_rt.board.discovery import Roots, WantedReaders, discover
from edge_rt.board.readers.base import PENDING, BaseReader
from edge_rt.board.readers.modelled import Coefficients

Key = tuple[str, str]


class Readings:
    """Readers of a tree, found once and read often."""

    def __init__(self, root: Path, wanted: WantedReaders | None = None) -> None:
        self.now_s = 0.0
        self._find(root, wanted or WantedReaders(model=Coefficients(static_w=2.0, core_w=1.0)))

    def _find(self, root: Path, wanted: WantedReaders) -> None:
        roots = Roots(root / "sys", root / "proc", root / "dev")
        self.readers: Sequence[BaseReader] = discover(
            roots, wanted, clock=lambda: self.now_s
        ).readers

    def read(self, after_s: float = 0.1) -> dict[Key, float]:
        """Every figure by name and kind."""
        self.now_s += after_s
        return {
            (channel.name, channel.kind): value
            for reader in self.readers
            for channel, value in zip(reader.channels, reader.read(), strict=True)
            if value is not None
        }

    def errors(self) -> dict[str, str]:
        """Return why channels gave nothing at the last read."""
        return {
            channel.name: error
            for reader in self.readers
            for channel, error in zip(reader.channels, reader.errors, strict=True)
            if error not in (None, PENDING)
        }

    def close(self) -> None:
        """Close every file."""
        for reader in self.readers:
            reader.close()
