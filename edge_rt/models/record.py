"""A model in the store as the rest of edge_rt sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_rt.models.catalogue import Catalogue, EvaluatedQuality, SamplingDefaults
from edge_rt.models.formats.summary import Kind, Summary
from edge_rt.models.store.manifest import Backend, ManifestRecord

_NO_DEFAULTS = SamplingDefaults()


@dataclass(frozen=True)
class EntryFile:
    """A file of a model."""

    path: Path
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class ModelRecord:
    """One model: its files, what header or card say and what the catalogue knows of its content."""

    id: str
    path: Path  # of the main file; its folder holds the others and nothing else
    size: int  # bytes of all files
    sha256: str  # of the content of all files; see content_sha256
    created: int  # Unix seconds
    licence: str
    owner: str
    backend: Backend
    sampling: SamplingDefaults
    summary: Summary
    files: tuple[EntryFile, ...] = ()  # the main one first
    quality: EvaluatedQuality | None = None  # found with this very model
    source_quality: EvaluatedQuality | None = (
        None  # found with the model that it was converted from
    )
    providers: tuple[str, ...] = ()  # what onnxruntime runs it with, the preferred first

    @property
    def kind(self) -> Kind:
        """What the model does."""
        return self.summary.kind

    @property
    def label(self) -> str:
        """Its backend and number format, by which a request may pin it: "onnx-int4"."""
        return f"{self.backend}-{self.summary.quantisation}".lower()

    @property
    def short_sha256(self) -> str:
        """Enough of it to tell the model from another of its id."""
        return self.sha256[:16]

    @property
    def source_sha256(self) -> str | None:
        """The content of the model that this one was converted from, if any."""
        return self.summary.source_sha256

    @property
    def presumed_quality(self) -> EvaluatedQuality | None:
        """Its own figures, else the slightly higher ones of the model it was converted from."""
        return self.quality or self.source_quality


def entry_of(record: ManifestRecord, root: Path, catalogue: Catalogue) -> ModelRecord:
    """The entry for a record; a file that the catalogue does not know speaks for itself.

    What the catalogue says of the model from which this one was converted stands in for what
    nobody says of this one.
    """
    summary, sha256 = record.summary, record.sha256
    known = catalogue.of_content(sha256)
    origin = summary.source_sha256
    source = catalogue.of_content(origin) if origin else None
    return ModelRecord(
        id=record.id,
        path=record.path(root),
        size=record.size,
        sha256=sha256,
        created=record.created,
        licence=_first(known and known.licence, summary.licence, source and source.licence),
        owner=_first(known and known.publisher, summary.organisation, source and source.publisher),
        backend=record.backend,
        sampling=known.sampling if known else source.sampling if source else _NO_DEFAULTS,
        summary=summary,
        files=tuple(
            EntryFile(record.directory(root) / file.name, file.stamp.size, file.sha256)
            for file in record.files
        ),
        quality=known.quality if known else None,
        source_quality=source.quality if source else None,
        providers=tuple(known.providers) if known else (),
    )


def _first(*words: str | None) -> str:
    return next((word for word in words if word), "unknown")
