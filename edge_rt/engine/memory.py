"""How much memory this process holds."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Resident set size in bytes."""
    return int(statm.read_text().split()[1]) * _PAGE
