"""The power limit that an x86 package keeps by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.sysfs import first_integer, first_line, numbered
from edge_rt.governor.knobs.files import FileKnob
from edge_rt.governor.knobs.knob import KnobError, Wish

_PLACE = re.compile(r"(/.*)?/sys/class/powercap/intel-rapl:\d+/constraint_\d+_power_limit_uw")


def rapl_wishes(sysfs: Path, limit_w: float) -> list[Wish]:
    """The long-term limit of each package shall be `limit_w`."""
    base = sysfs / "class" / "powercap"
    found = [Wish(FileKnob(path), round(limit_w * 1e6)) for path in _limits(base)]
    if not found:
        raise KnobError(f"no power limit can be set: {base} has no package with a long_term limit")
    return found


def rapl_knob(name: str) -> FileKnob | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    return FileKnob(Path(name)) if _PLACE.fullmatch(name) else None


def _limits(base: Path) -> Iterator[Path]:
    for zone in numbered(base, "intel-rapl:*"):
        if zone.name.count(":") != 1 or not (first_line(zone / "name") or "").startswith("package"):
            continue  # a part of a package, or the whole system
        if first_integer(zone / "enabled") == 0:
            raise KnobError(f"{zone} keeps no limit: write 1 to {zone}/enabled first")
        for constraint in numbered(zone, "constraint_*_name"):
            if first_line(constraint) == "long_term":
                stem = constraint.name.removesuffix("name")
                yield constraint.with_name(f"{stem}power_limit_uw")
