"""Models of a house with figures of quality."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge_rt.models.catalogue import EvaluatedQuality


def graded(house: Any, **figures: float) -> None:
    """Have models be of that share of right answers in a test that nobody knows."""
    found = {
        id.replace("_", "-"): EvaluatedQuality(figures={"own": p}) for id, p in figures.items()
    }
    entries = [replace(e, quality=found.get(e.id), source_quality=None) for e in house.entries()]
    house.entries = lambda: entries
