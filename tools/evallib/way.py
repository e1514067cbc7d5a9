"""How a question is asked: of which model, and in which mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pair import LOOKUP, SPECULATIVE, Pair
from evallib import EvalError

GATED, CONTROL = "entropy", "random"
SMALL, LARGE = "small", "large"


@dataclass(frozen=True)
class Way:
    """`edge` is the request's field of that name; `models` are all that take part."""

    name: str
    model: str
    edge: Mapping[str, Any] = field(default_factory=dict[str, Any])
    models: tuple[str, ...] = ()

    @property
    def gate(self) -> str | None:
        """The gate of a switch."""
        return str(self.edge.get("mode", "")).partition(":")[2] or None

    @property
    def share(self) -> float | None:
        """What the large model is to write of the tokens, where that is asked for."""
        return self.edge.get("large_share")


def pair_of(large: str, small: str | None) -> Pair:
    """The two models; raises EvalError where the catalogue knows no partner."""
    if small is not None:
        return Pair(large=large, small=small)
    known = load_catalogue().pairs_of(large)
    if not known:
        raise EvalError(f"the catalogue has no pair with {large}: name the small one, --partner")
    return known[0]


def ways(pair: Pair, shares: Iterable[float]) -> list[Way]:
    """Return each model alone, the two lossless ways, and the gate and chance at every share."""
    found = [
        Way(SMALL, pair.small, {"mode": "single"}, (pair.small,)),
        Way(LARGE, pair.large, {"mode": "single"}, (pair.large,)),
        Way(
            SPECULATIVE,
            pair.large,
            {"mode": SPECULATIVE, "partner": pair.small},
            (pair.large, pair.small),
        ),
        Way(LOOKUP, pair.large, {"mode": LOOKUP}, (pair.large,)),
    ]
    return found + [_switch(pair, *one) for one in product((GATED, CONTROL), shares)]


def chosen(found: Sequence[Way], names: Sequence[str]) -> list[Way]:
    """Return the ways of these names, all for none; a gate's name stands for every share.

    Raises KeyError for a name that none has.
    """
    known = {way.name for way in found} | {way.gate for way in found}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [way for way in found if not names or way.name in names or way.gate in names]


def _switch(pair: Pair, gate: str, share: float) -> Way:
    edge = {"mode": f"switch:{gate}", "partner": pair.small, "large_share": share}
    return Way(f"{gate}@{round(100 * share)}", pair.large, edge, (pair.large, pair.small))
