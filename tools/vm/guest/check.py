"""The checks of the guest by their name in the plan."""

from __future__ import annotations

import functools
from collections.abc import Callable

from vm.guest.stub import Chip

Check = Callable[[Chip, Chip], str]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a function that gets two chips as they come out of a reset.

    It tells what it saw, or raises where something is wrong.
    """

    def register(function: Check) -> Check:
        @functools.wraps(function)
        def fresh(chip: Chip, other: Chip) -> str:
            chip.reset()
            other.reset()
            return function(chip, other)

        CHECKS[name] = fresh
        return fresh

    return register
