"""The governor's terms that can be switched off, each by a neutral version of one attribute.

The ablation takes away one term after the other and shows what it had been worth. To name another
term, add it to TERMS: the class or module that has the attribute, the attribute's name, and what to
put in its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from edge_rt.governor.policy import cap, choice
from edge_rt.governor.power import draws
from edge_rt.governor.power.disturbance import DelayMeter, Disturbance
from edge_rt.governor.power.measured import PowerObserver
from edge_rt.governor.power.model import PowerModel


@dataclass(frozen=True)
class Term:
    """One term, and how to do without it. `model`: it is in the board model, which traces test."""

    name: str
    owner: type | ModuleType
    attribute: str
    neutral: object
    model: bool = False

    @contextmanager
    def off(self) -> Iterator[None]:
        """Put the neutral version in place for a while."""
        before: object = vars(self.owner)[self.attribute]
        setattr(self.owner, self.attribute, self.neutral)
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, before)


def _no(*_args: object, **_named: object) -> bool:
    return False


def _zero(*_args: object, **_named: object) -> float:
    return 0.0


TERMS = (
    Term("measured delay", DelayMeter, "look", _no),
    Term("change tests", Disturbance, "_changed", _no, model=True),
    Term("reading doubts", PowerObserver, "_doubt_w2", _zero),
    Term("phase doubts", PowerObserver, "_phase_w2", _zero),
    Term("glitch filter", PowerObserver, "_far", _no),
    Term("power of short pauses", draws, "_AWAKES", (0.0, 0.0), model=True),
    Term("deviation margin", PowerModel, "present_deviation_w", property(_zero)),
    Term("evened passes", choice, "_EVEN", math.inf),
    Term("margin for steps", cap, "_STEPS", 0.0),
    Term("ripple", cap, "_RIPPLE", 0.0),
)
