"""Which model to begin with, and which one of a store answers when nobody names one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from edge_rt.models.catalogue import Catalogue, CatalogueEntry
from edge_rt.models.record import ModelRecord

MEMORY_SHARE = 0.3
"""Of all memory what a model's files may take. With the usual settings keys, values and buffers
take as much again, and the system, its other programs and a reserve need the rest."""

STARTER_BYTES = 512_000_000
"""Most bytes that are fetched of a model that nobody named: minutes, not hours."""


@dataclass(frozen=True)
class DefaultCandidate:
    """A model that writes text, as far as the choice depends on it."""

    id: str
    bytes: int  # of its files
    size: float  # what stands in for figures where there are none: more is better
    figures: Mapping[str, float] = field(default_factory=dict[str, float])  # right answers, by test
    since: int = 0  # of equally good ones the earliest is taken


def best(candidates: Iterable[DefaultCandidate], memory_bytes: int) -> DefaultCandidate | None:
    """Return the one that answers best of those that fit into the memory, or else the smallest.

    They are compared by the tests that all of them took, or by size where there is no such test.
    """
    known = sorted(candidates, key=lambda each: (each.since, each.id))
    fitting = [each for each in known if fits(each.bytes, memory_bytes)]
    if not fitting:
        return min(known, key=lambda each: each.bytes, default=None)
    return max(fitting, key=_rank(fitting))


def fits(bytes: int, memory_bytes: int) -> bool:
    """Whether a model of that size can be served on a machine with that much memory in all."""
    return bytes <= MEMORY_SHARE * memory_bytes


def stored(entries: Iterable[ModelRecord]) -> list[DefaultCandidate]:
    """The models of a store that write text."""
    return [
        DefaultCandidate(
            entry.id,
            entry.size,
            entry.summary.parameters,
            entry.presumed_quality.figures if entry.presumed_quality else {},
            entry.created,
        )
        for entry in entries
        if entry.kind == "language"
    ]


def starter(catalogue: Catalogue, memory_bytes: int) -> CatalogueEntry | None:
    """Return the model to fetch where nobody named one; None where the catalogue has none.

    Only models that can be fetched and were tested count.
    """
    known = _tested(catalogue)
    small = [_listed(each) for each in known.values() if each.bytes <= STARTER_BYTES]
    first = best(small, memory_bytes)
    return None if first is None else known[first.id]


def better(catalogue: Catalogue, id: str, memory_bytes: int) -> CatalogueEntry | None:
    """Return the model that fits and answers better than the tested model `id`, if any."""
    known = _tested(catalogue)
    first = best([_listed(each) for each in known.values()], memory_bytes)
    if id not in known or first is None or first.bytes <= known[id].bytes:
        return None
    return known[first.id]


def _tested(catalogue: Catalogue) -> dict[str, CatalogueEntry]:
    return {each.id: each for each in catalogue if each.pullable and each.quality is not None}


def _listed(entry: CatalogueEntry) -> DefaultCandidate:
    figures = entry.quality.figures if entry.quality else {}
    return DefaultCandidate(entry.id, entry.bytes, entry.bytes, figures)


def _rank(candidates: Sequence[DefaultCandidate]) -> Callable[[DefaultCandidate], float]:
    shared = sorted(set[str].intersection(*({*each.figures} for each in candidates)))
    if not shared:
        return lambda each: each.size
    return lambda each: fmean(each.figures[test] for test in shared)
