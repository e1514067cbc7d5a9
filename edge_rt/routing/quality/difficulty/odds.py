"""Probabilities as log-odds."""

from __future__ import annotations

import math

_EDGE = 0.02  # no figure of a test says that it never fails, or always


def log_odds(p: float) -> float:
    """ln p/(1-p); what is nearer than 0.02 to 0 or 1 counts as that near."""
    p = min(1.0 - _EDGE, max(_EDGE, p))
    return math.log(p / (1.0 - p))


def probability(log_odds: float) -> float:
    """The other way round."""
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, log_odds))))
