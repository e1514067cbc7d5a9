"""Which board this is: the profile whose marks the machine bears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from edge_rt.board.identity import Identity

Confidence = Literal["exact", "family", "generic"]
_RANK: dict[Confidence, int] = {"generic": 0, "family": 1, "exact": 2}
# The kernel never has all the memory that is fitted, and sizes come in powers of two.
_LEAST_SHARE = 0.6


class Marks(Protocol):
    """What a profile's boards are recognised by; see `match:` in the profiles."""

    @property
    def part_numbers(self) -> Sequence[str]: ...
    @property
    def compatible(self) -> Sequence[str]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def dmi(self) -> Sequence[str]: ...
    @property
    def family(self) -> Sequence[str]: ...
    @property
    def architectures(self) -> Sequence[str]: ...
    @property
    def super_modes(self) -> bool: ...


class Recognisable(Protocol):
    """The part of a board profile that recognition needs."""

    @property
    def match(self) -> Marks: ...
    @property
    def memory_sizes_bytes(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Detection:
    """The profile that fits best, and how well."""

    board: str  # the profile's id
    by: str  # what gave it away, for people to read
    confidence: Confidence  # family: like this board, but another variant


@dataclass(frozen=True)
class _Sign:
    """One mark that was found; `weight` says how much it tells beside another."""

    confidence: Confidence
    weight: int
    by: str

    @property
    def rank(self) -> int:
        return _RANK[self.confidence]


def detect(boards: Mapping[str, Recognisable], root: Path = Path("/")) -> Detection | None:
    """The profile in `boards` of the machine whose files lie under `root`, or None."""
    return recognise(boards, Identity.read(root))


def recognise(boards: Mapping[str, Recognisable], identity: Identity) -> Detection | None:
    """The profile in `boards` that fits `identity` best; of equals the last, a user's own."""
    best: tuple[tuple[int, int, bool], Detection] | None = None
    for name, board in boards.items():
        sign = _sign(board, identity)
        if sign is None:
            continue
        fit = (sign.rank, sign.weight, board.match.super_modes)
        if best is None or fit >= best[0]:
            best = fit, Detection(name, sign.by, sign.confidence)
    return best[1] if best else None


def _sign(board: Recognisable, identity: Identity) -> _Sign | None:
    """What tells most: a module's number more than the name of the kit that it sits in."""
    if board.match.super_modes and not identity.super_modes:
        return None
    signs = _signs(board, identity)
    return max(signs, key=lambda sign: (sign.weight, sign.rank), default=None)


def _signs(board: Recognisable, identity: Identity) -> Iterator[_Sign]:
    marks = board.match
    fits = _memory_fits(board.memory_sizes_bytes, identity.memory_bytes)
    exact: Confidence = "exact" if fits else "family"
    of_it = (marks.part_numbers, marks.compatible, marks.models, marks.dmi)
    yield from (_Sign(exact, weight, by) for weight, by in _found(identity, *of_it))
    kin = _found(identity, *(4 * (marks.family,)))
    yield from (_Sign("family", weight, by) for weight, by in kin)
    if identity.architecture in marks.architectures:
        yield _Sign("generic", 0, f"processor architecture {identity.architecture}")


def _found(
    identity: Identity,
    part_numbers: Sequence[str],
    compatible: Sequence[str],
    models: Sequence[str],
    dmi: Sequence[str],
) -> Iterator[tuple[int, str]]:
    for number in identity.part_numbers:
        if number in part_numbers:
            yield 4, f"part number {number}"
    for name in identity.compatible:
        if name in compatible:
            yield 3, f"device tree compatible {name!r}"
    if identity.model and identity.model.startswith(tuple(models)):
        yield 2, f"device tree model {identity.model!r}"
    if identity.dmi and identity.dmi.startswith(tuple(dmi)):
        yield 1, f"firmware tables {identity.dmi!r}"


def _memory_fits(sizes_bytes: Sequence[int], memory_bytes: int | None) -> bool:
    if memory_bytes is None or not sizes_bytes:
        return True
    return any(_LEAST_SHARE * size <= memory_bytes <= size for size in sizes_bytes)
