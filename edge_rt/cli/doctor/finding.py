"""What a check has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_rt.cli.doctor.machine import Machine
from edge_rt.errors import EdgeError

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `remedy` is shell commands and "#" advice, a line each.

    A "problem" is something that whoever uses the board can and should mend; a "note" is worth
    knowing, and its remedy is an offer.
    """

    id: str
    level: Level
    what: str
    remedy: tuple[str, ...] = ()


Check = Callable[[Machine], Iterable[Finding]]


def ok(id: str, what: str) -> Finding:
    """Something is as it should be."""
    return Finding(id, "ok", what)


def note(id: str, what: str, *remedy: str) -> Finding:
    """Something is worth knowing."""
    return Finding(id, "note", what, remedy)


def problem(id: str, what: str, *remedy: str) -> Finding:
    """Something is broken or missing."""
    return Finding(id, "problem", what, remedy)


def examine(machine: Machine, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """What all checks find; one that fails is a finding itself, and the others go on."""
    for name, check in checks:
        try:
            yield from check(machine)
        except EdgeError as error:
            yield problem(name, str(error))
        except Exception as error:  # a machine that is out of order may break any check
            yield problem(name, f"this check failed: {type(error).__name__}: {error}")
