"""A model in the store as the rest of edge_rt sees it, and which one answers best."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.requests import Kind
from edge_rt.models.catalogue import Catalogue, CatalogueEntry, EvaluatedQuality, SamplingDefaults
from edge_rt.models.formats.summary import Summary
from edge_rt.models.naming import projector_of
from edge_rt.models.store.manifest import ManifestRecord, StoredFile

_NO_DEFAULTS = SamplingDefaults()
MEMORY_SHARE = 0.3
"""Of all memory what a model's files may take. With the usual settings keys, values and buffers
take as much again, and the system, its other programs and a reserve need the rest."""

STARTER_BYTES = 512_000_000
"""Most bytes that are fetched of a model that nobody named: minutes, not hours."""

_IS: dict[Kind, str] = {
    "language": "a language model; POST /v1/chat/completions has it write",
    "embedding": "an embedding model; POST /v1/embeddings has it place texts",
    "rerank": "a model that ranks; POST /v1/rerank has it order texts",
    "adapter": "an adapter; a model BASE+ADAPTER answers with it",
    "tensors": "a model of named tensors, which nothing runs any longer; remove it",
}
_CANNOT = {
    "language": "writes no text",
    "embedding": "gives no embeddings",
    "rerank": "ranks no texts",
    "adapter": "is no adapter",
}
_COULD = {
    "language": "writes: edge-rt models pull",
    "embedding": "gives embeddings: edge-rt models pull all-minilm-l6-v2",
    "rerank": "ranks texts: edge-rt models add, or pull a GGUF reranker of the hub",
    "adapter": "is an adapter: edge-rt models add FILE.gguf",
}


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
    backend: str
    sampling: SamplingDefaults
    summary: Summary
    files: tuple[StoredFile, ...] = field(default=(), compare=False)  # the main one first
    quality: EvaluatedQuality | None = None  # found with this very model
    source_quality: EvaluatedQuality | None = None  # found with the model it was converted from
    providers: tuple[str, ...] = ()  # what onnxruntime runs it with, the preferred first
    adapters: tuple[tuple[ModelRecord, float], ...] = ()  # with their scales
    base: str = ""  # with adapters: the id of the model without them

    @property
    def kind(self) -> Kind:
        """What the model does."""
        if self.summary.adapter:
            return "adapter"
        return "rerank" if self.summary.ranks else self.summary.kind

    @property
    def projector(self) -> Path | None:
        """The file with which llama.cpp has it see images; None: it sees none."""
        if self.backend != "llama.cpp" or not self.files:
            return None
        name = projector_of([file.name for file in self.files])
        return None if name is None else self.path.with_name(name)

    @property
    def made_of(self) -> list[str]:
        """The ids of the models of the store that it consists of: itself, or base and adapters."""
        return [self.base or self.id, *(adapter.id for adapter, _ in self.adapters)]

    @property
    def label(self) -> str:
        """Its backend and number format, by which a request may pin it: "onnx-int4"."""
        return f"{self.backend}-{self.summary.quantisation}".lower()

    @property
    def source_sha256(self) -> str | None:
        """The content of the model that this one was converted from, if any."""
        return self.summary.source_sha256

    @property
    def presumed_quality(self) -> EvaluatedQuality | None:
        """Its own figures, else the slightly higher ones of the model it was converted from."""
        return self.quality or self.source_quality


def entry_of(record: ManifestRecord, root: Path, catalogue: Catalogue) -> ModelRecord:
    """Return the entry for a record; a file that the catalogue does not know speaks for itself.

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
        files=record.files,
        quality=known.quality if known else None,
        source_quality=source.quality if source else None,
        providers=tuple(known.providers) if known else (),
    )


def _first(*words: str | None) -> str:
    return next((word for word in words if word), "unknown")


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
    """Return whether a model of that size can be served with that much memory in all."""
    return bytes <= MEMORY_SHARE * memory_bytes


def stored(entries: Iterable[ModelRecord]) -> list[DefaultCandidate]:
    """Return the models of a store that write text."""
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


def called(kind: Kind) -> str:
    """Return what a model of that kind is called."""
    return _IS[kind].partition(";")[0]


def writer(entry: ModelRecord) -> ModelRecord:
    """`entry` if it can write text; raises RequestError, which says what it can do."""
    return of_kind(entry, "language")


def of_kind(entry: ModelRecord, kind: Kind) -> ModelRecord:
    """`entry` if it is a model of that kind; raises RequestError, which says what it can do."""
    if entry.kind == kind:
        return entry
    message = f"{entry.id} {_CANNOT[kind]}: it is {_IS[entry.kind]}"
    raise RequestError(message, param="model", code="unsupported")


def adapted(entry: ModelRecord, adapters: Sequence[tuple[ModelRecord, float]]) -> ModelRecord:
    """Return a model with adapters as one of its own; raises RequestError where they do not fit."""
    if not adapters:
        return entry
    if entry.backend != "llama.cpp":
        raise RequestError(f"{entry.id} is no GGUF model, which alone have adapters", param="model")
    writer(entry)
    for adapter, _ in adapters:
        of_kind(adapter, "adapter")
        if adapter.summary.architecture != entry.summary.architecture:
            message = f"{adapter.id} is for {adapter.summary.architecture}, not {entry.id}"
            raise RequestError(message, param="model", code="unsupported")
    names = [a.id if scale == 1.0 else f"{a.id}={scale:g}" for a, scale in adapters]
    parts = " ".join([entry.sha256, *(f"{a.sha256}={scale!r}" for a, scale in adapters)])
    return replace(
        entry,
        id="+".join([entry.id, *names]),
        sha256=hashlib.sha256(parts.encode()).hexdigest(),
        adapters=tuple(adapters),
        base=entry.id,
        quality=None,
        source_quality=None,
    )


def only(entries: Iterable[ModelRecord], kind: Kind) -> ModelRecord:
    """Return the model of that kind that came first; raises ModelNotFound."""
    able = [entry for entry in entries if entry.kind == kind]
    if not able:
        raise ModelNotFound(f"the store holds no model that {_COULD[kind]}")
    return min(able, key=lambda entry: entry.created)


def seeing(entries: Iterable[ModelRecord], at: str) -> list[ModelRecord]:
    """Return the models that see; raises RequestError, about the field `at`, where none does."""
    able = [entry for entry in entries if entry.projector is not None]
    if not able:
        raise blind(at)
    return able


def blind(at: str) -> RequestError:
    """Return the error for an image in the field `at` that no model can see."""
    message = f"`{at}`: this model cannot see images; send text only."
    return RequestError(message, param=at, code="unsupported_content")


def writers(entries: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Return the models that can write text."""
    return [entry for entry in entries if entry.kind == "language"]
