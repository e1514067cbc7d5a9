"""What the parts of the governor's benchmark share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], object]


@dataclass(frozen=True)
class Ask:
    """What a part is asked for: a short form, cases by words, and a folder of recorded traces.

    Results that depend on no governor are kept in `kept`.
    """

    quick: bool = False
    only: str = ""
    traces: Path | None = None
    kept: Path | None = None


@dataclass(frozen=True)
class Found:
    """The results of one part: flat figures and their details."""

    values: Mapping[str, float] = field(default_factory=dict[str, float])
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    notes: Sequence[str] = ()


def cores() -> int:
    """Return how many cores this process, and so its children, may use."""
    return len(os.sched_getaffinity(0))
