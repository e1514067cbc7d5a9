"""Where the parts of an installation go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError

_PLAIN = re.compile(r"(/[\w.+-]+)+", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """Paths as the installed system has them, below `destdir` while an image is built."""

    prefix: Path = Path("/opt/edge-rt")  # the virtual environment
    destdir: Path | None = None

    def __post_init__(self) -> None:
        """Raises SetupError for a prefix that units and `#!` lines cannot hold."""
        if not _PLAIN.fullmatch(str(self.prefix)):
            raise SetupError(
                f"--prefix {self.prefix} is no absolute path of letters, digits and . _ + -: "
                "the units could not hold it"
            )

    def at(self, path: str | Path) -> Path:
        """Where the system's `path` lies now."""
        return self.destdir / str(path).lstrip("/") if self.destdir else Path(path)
