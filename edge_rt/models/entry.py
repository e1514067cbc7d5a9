"""A model in the store as the rest of edge_rt sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_rt.models.catalogue import Catalogue, SamplingDefaults
from edge_rt.models.manifest import Record
from edge_rt.models.summary import Summary

_NO_DEFAULTS = SamplingDefaults()


@dataclass(frozen=True)
class Entry:
    """One model: its file, what its header says and what the catalogue knows of its content."""

    id: str
    path: Path
    size: int  # bytes
    sha256: str
    created: int  # Unix seconds
    licence: str
    owner: str
    backend: str
    sampling: SamplingDefaults
    summary: Summary


def entry_of(record: Record, root: Path, catalogue: Catalogue) -> Entry:
    """The entry for a record; a file that the catalogue does not know speaks for itself."""
    known = catalogue.of_content(record.sha256)
    return Entry(
        id=record.id,
        path=record.path(root),
        size=record.stamp.size,
        sha256=record.sha256,
        created=record.created,
        licence=known.licence if known else record.summary.licence or "unknown",
        owner=known.publisher if known else record.summary.organisation or "unknown",
        backend=record.backend,
        sampling=known.sampling if known else _NO_DEFAULTS,
        summary=record.summary,
    )
