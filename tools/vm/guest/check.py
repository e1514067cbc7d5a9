"""The checks of the guest by their name in the plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from edge_rt.board.readers.base import BaseReader
from vm.guest.stub import Chip

Check = Callable[[Chip, Chip], str]
CHECKS: dict[str, Check] = {}
_RAILS = 9  # power, voltage and current of three channels


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


def values_of(reader: BaseReader) -> list[float]:
    """The figures of a read, none of which may be missing."""
    values = [value for value in reader.read() if value is not None]
    expect(len(values) == _RAILS, f"{reader.name} misses some: {list(reader.errors)}")
    return values


def expect_silence(reader: BaseReader, missing: Sequence[int], reason: str) -> list[float | None]:
    """The figures of a read, in which exactly the channels at `missing` are None, and all of those
    say `reason`.
    """
    values = list(reader.read())
    expect(len(values) == _RAILS, f"{reader.name} has {len(values)} channels")
    none = [index for index, value in enumerate(values) if value is None]
    expect(none == list(missing), f"{reader.name}: {values}, {list(reader.errors)}")
    for index in missing:
        error = reader.errors[index]
        expect(bool(error) and reason in (error or ""), f"{reader.name} says {error!r}")
    return values


def expect_same(what: str, got: Sequence[float], wanted: Sequence[float], within: float) -> None:
    """Check that there are as many figures as wanted, none further off than `within`."""
    pairs = list(zip(got, wanted, strict=True))
    expect(all(abs(a - b) <= within for a, b in pairs), f"{what}: {got}, wanted {wanted}")


def expect(holds: bool, otherwise: str) -> None:
    """Raise with the words `otherwise` where something does not hold."""
    if not holds:
        raise AssertionError(otherwise)
