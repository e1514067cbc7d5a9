"""What computing takes more of on a warmer chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Warmth:
    """The chip's temperature now; `leaked_w` gives what it leaks at work beyond what it does idle.

    The leakage of an idle chip is in what the board draws idle, and follows the temperature there.
    At work the voltage is higher, and what leaks for that is a part of what answers add.
    """

    temp_c: float
    leaked_w: Callable[[float], float]

    def added_w(self, temp_c: float | None) -> float:
        """Watts that computing adds now and did not at `temp_c`; 0 where that is not known."""
        return 0.0 if temp_c is None else self.leaked_w(self.temp_c) - self.leaked_w(temp_c)
