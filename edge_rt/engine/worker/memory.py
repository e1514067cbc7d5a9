"""How much memory this process holds."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


_STATM = Path("/proc/self/statm")


def rss_bytes(statm: Path = _STATM) -> int:
    """Resident set size in bytes."""
    return int(statm.read_text().split()[1]) * _PAGE


def own_bytes(statm: Path = _STATM) -> int:
    """What of the resident set is no file's, in bytes: it cannot be dropped and read again."""
    _, resident, shared, *_ = statm.read_text().split()
    return (int(resident) - int(shared)) * _PAGE
