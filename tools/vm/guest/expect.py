"""Readers held against what is expected of them; AssertionError where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.board.readers.base import Reader

_RAILS = 9  # power, voltage and current of three channels


def values_of(reader: Reader) -> list[float]:
    """The figures of a read, none of which may be missing."""
    values = [value for value in reader.read() if value is not None]
    expect(len(values) == _RAILS, f"{reader.name} misses some: {list(reader.errors)}")
    return values


def expect_silence(reader: Reader, missing: Sequence[int], reason: str) -> list[float | None]:
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
    """As many figures as wanted, and none further off than `within`."""
    pairs = list(zip(got, wanted, strict=True))
    expect(all(abs(a - b) <= within for a, b in pairs), f"{what}: {got}, wanted {wanted}")


def expect(holds: bool, otherwise: str) -> None:
    """Raise with the words `otherwise` where something does not hold."""
    if not holds:
        raise AssertionError(otherwise)
