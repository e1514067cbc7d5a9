"""Values as people read them; the unit is at the end of the name."""

from __future__ import annotations

from typing import cast


def readable(name: str, value: object) -> str:
    """`value` in words: seconds as hours and minutes, bytes as MiB, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        items = [readable("", item) for item in cast("list[object]", value)]
        sentences = all(item.endswith(".") for item in items)
        return (" " if sentences else ", ").join(items) or "-"
    if isinstance(value, (int, float)):
        if name.endswith("_bytes"):
            return size(value)
        if name.endswith("_s"):
            return duration(value)
        return _decimal(value) if isinstance(value, float) else str(value)
    return str(value)


def _decimal(value: float) -> str:
    """Four digits, and all those before the point."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def size(count: float) -> str:
    """Bytes in the unit that leaves up to four digits."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def duration(seconds: float) -> str:
    """Seconds; from a minute on in minutes, from an hour on in hours, from a day on in days."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
