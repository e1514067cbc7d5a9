"""The Pareto front: what nothing else beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.routing.choice.figures import Figures


def dominators(found: Sequence[Figures]) -> list[int | None]:
    """For each of `found` the place of one on the front that dominates it; None: it is on it."""
    by: list[int | None] = [None] * len(found)
    front: list[int] = []
    # Whoever dominates another comes before it in this order.
    order = sorted(range(len(found)), key=lambda i: (*found[i][:2], -found[i].quality))
    for place in order:
        figures = found[place]
        by[place] = next((best for best in front if found[best].dominates(figures)), None)
        if by[place] is None:
            front.append(place)
    return by
