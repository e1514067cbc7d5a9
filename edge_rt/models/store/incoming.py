"""The files of one new model: checked where they are, then taken in whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.files import sync
from edge_rt.core.system.ownership import as_caller
from edge_rt.models.formats.card import (
    CARD,
    Description,
    read_card,
    read_tokenizer,
    summarise_card,
    write_card,
)
from edge_rt.models.formats.onnx_file import read_onnx
from edge_rt.models.formats.summary import Summary, look_bytes, read_summary
from edge_rt.models.naming import content_sha256, parts_of, projector_of, stored_name
from edge_rt.models.store.digest import Progress, behind, copy, digest, unseen
from edge_rt.models.store.disk import delete, require_space
from edge_rt.models.store.manifest import Stamp, StoredFile

GRAPH = "model.onnx"  # the main file of a folder
PROJECTOR = "mmproj.gguf"  # where its own name cannot be
TOKENIZER = "tokenizer.json"
_FIRST_PART = "*-00001-of-*.gguf"
DRAFTS = ".incoming"  # below the store; what a killed command left there goes with the next one


@dataclass(frozen=True)
class Offer:
    """A model's files where they lie now, by the name that each will have; the main one first.

    `made` is the content of a card that no file holds yet.
    """

    place: Path  # what was named: a file or a folder
    files: Mapping[str, Path]
    made: bytes | None = None


def look(place: Path, said: Description | None = None, projector: Path | None = None) -> Offer:
    """Return the model at `place`: a GGUF file, an ONNX file, or a folder of one.

    A GGUF file that is the first part of a model stands for all parts, which lie beside it, and may
    have a `projector`. Of a folder the graph, the files that hold its weights, tokenizer.json and
    model.json belong to the model. Where there is no card, one is made as `said` says. Raises
    ModelFileError for what is no whole model, RequestError where that lacks something or does not
    fit.
    """
    said = said or Description()
    firsts = [one for one in place.glob(_FIRST_PART) if place.is_dir()]
    if len(firsts) == 1:
        place = firsts[0]
    if projector is not None and place.suffix.lower() != ".gguf":
        raise RequestError(f"{place} is no GGUF file, which alone can have a projector")
    if place.is_dir():
        return _onnx(place, place / GRAPH, said)
    if place.suffix.lower() == ".onnx":
        return _onnx(place, place, said)
    said.refuse_for(f"{place} is no ONNX model")
    return _gguf(place, projector)


def describe(files: Mapping[str, Path]) -> tuple[str, Summary]:
    """Return the backend and the summary of the model in these files; raises ModelFileError.

    Takes some hundredths of a second.
    """
    main = next(iter(files.values()))
    if CARD not in files:
        names = [*files]
        parts = [files[name] for name in parts_of(names[0])[1:]]
        eyes = projector_of(names)
        summary = read_summary(main, parts)
        if eyes is not None:
            summary = msgspec.structs.replace(summary, look_bytes=look_bytes(files[eyes]))
        return "llama.cpp", summary
    card = read_card(files[CARD])
    graph = read_onnx(main)
    if TOKENIZER not in files:
        raise ModelFileError(f"{main.parent}: {TOKENIZER} is missing; a model of text needs it")
    control = read_tokenizer(files[TOKENIZER]).control_tokens
    weights = [main, *(files[name] for name in graph.external)]
    summary = summarise_card(card, sum(path.stat().st_size for path in weights), control)
    context = min(summary.context_train, graph.positions or summary.context_train)
    return "onnx", msgspec.structs.replace(summary, context_train=context)


def _gguf(place: Path, projector: Path | None) -> Offer:
    parts = [place.with_name(name) for name in parts_of(place.name)]
    if not parts:
        raise ModelFileError(f"{place}: not the first part of a model; name that one")
    for part in parts[1:]:
        if not part.is_file():
            raise ModelFileError(f"{part}: missing; all parts of a model lie in one folder")
        _refuse_stray(part, place)
    read_summary(place, parts[1:])
    files = {part.name: part for part in parts}
    if len(parts) == 1:
        files = {stored_name(place, "model.gguf"): place}
    elif stored_name(place, "") != place.name:
        raise ModelFileError(f"{place}: a name that the store cannot keep; rename all parts alike")
    if projector is not None:
        look_bytes(projector)
        name = stored_name(projector, PROJECTOR)
        files[PROJECTOR if name in files else name] = projector
    return Offer(place, files)


def _onnx(place: Path, graph: Path, said: Description) -> Offer:
    if not graph.exists():
        raise ModelFileError(f"{place}: a folder without {GRAPH}; name the file that is a model")
    found = read_onnx(graph)
    files = {stored_name(graph, GRAPH): graph}
    for external in found.external:
        beside = graph.parent / external
        if external in {*files, TOKENIZER, CARD} or stored_name(beside, "") != external:
            raise ModelFileError(f"{graph}: no model has its weights in {external!r:.200}")
        files[external] = beside
    if place != graph:
        files |= {each: place / each for each in (TOKENIZER, CARD) if (place / each).exists()}
    for beside in files.values():
        _refuse_stray(beside, graph)
        if not beside.is_file():  # opening a FIFO would wait for a writer
            raise ModelFileError(f"{beside}: not a regular file")
    made = None
    if CARD in files:
        said.refuse_for(f"{place} has a {CARD}, which says it")
        describe(files)  # what is wrong is told of these, not of copies
    else:
        made = write_card(said.card(place, found, files.get(TOKENIZER)))
    return Offer(place, files, made)


def _refuse_stray(beside: Path, graph: Path) -> None:
    """Raise ModelFileError for a link to a file that lies with neither the graph nor its target.

    Else a model could have any file of this machine copied to where others may read it.
    """
    if beside.resolve().parent not in (graph.parent.resolve(), graph.resolve().parent):
        raise ModelFileError(f"{beside}: a link to a file elsewhere; put the file itself there")


def reading(source: Path, root: Path) -> AbstractContextManager[None]:
    """Act as who named `source`; as the owner of the store at `root` if it lies in there."""
    return nullcontext() if root.absolute() in source.absolute().parents else as_caller()


class Incoming:
    """Hashes the files of `offer`, and has them in the store at `root` by copy or by `move`.

    Only within `taken`, and with the store locked. The files stay where they are until its block
    has gone well: one that is moved has a second name in the store until then,
    where the disk is the same and knows such, or else a copy. When the block fails, nothing is
    left in the store. Raises OSError or StoreError.
    """

    def __init__(self, root: Path, offer: Offer, move: bool, progress: Progress) -> None:
        self._drafts = root / DRAFTS
        self._offer = offer
        self._move = move
        self._root = root
        self._progress = progress
        self._placed: Path | None = None
        self._in_place = False  # whether the files were there before
        self.paths: dict[str, Path] = {}  # where the files are until they are placed, by name
        self.files: tuple[StoredFile, ...] = ()

    @property
    def sha256(self) -> str:
        """The identity of what came; see content_sha256."""
        return content_sha256((file.name, file.sha256) for file in self.files)

    def place(self, directory: Path) -> None:
        """Rename the files into `directory`, which is theirs alone and which others may read."""
        home = directory.resolve()
        self._in_place = any(f.parent.resolve() == home for f in self._offer.files.values())
        delete(directory)  # half of an earlier attempt, or damaged files
        self._placed = directory
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # whatever the umask: the daemon may be another user
        for name, path in self.paths.items():
            path.chmod(0o644)
            sync(path)
            path.replace(directory / name)
        sync(directory)
        sync(directory.parent)

    @contextmanager
    def taken(self) -> Generator[Incoming]:
        """Take the files in for the block, and for good where it goes well."""
        delete(self._drafts)
        self._drafts.mkdir(mode=0o700)
        try:
            self.files = tuple(self._take())
            yield self
            if self._move and not self._in_place:
                with reading(self._offer.place, self._root):
                    for file in self._offer.files.values():
                        with suppress(OSError):  # the model is in; its source may stay
                            file.unlink()
        except BaseException:
            if self._placed is not None and not self._in_place:
                delete(self._placed)
            raise
        finally:
            delete(self._drafts)

    def _take(self) -> list[StoredFile]:
        sources = self._offer.files
        self.paths = {name: self._drafts / name for name in sources}
        linked = {name for name in sources if self._move and _link(sources[name], self.paths[name])}
        with reading(self._offer.place, self._root):
            sizes = {name: source.stat().st_size for name, source in sources.items()}
        require_space(
            self._drafts.parent, sum(sizes[name] for name in sources if name not in linked)
        )
        files, done = list[StoredFile](), 0
        for name, source in sources.items():
            progress = behind(self._progress, done, sum(sizes.values()))
            if name in linked:
                files.append(_stored(self.paths[name], progress))
            else:
                sha256 = copy(source, self.paths[name], progress, reading(source, self._root))
                files.append(StoredFile(name, sha256, Stamp.of(self.paths[name].stat())))
            done += sizes[name]
        if self._offer.made is not None:
            self.paths[CARD] = self._drafts / CARD
            self.paths[CARD].write_bytes(self._offer.made)
            files.append(_stored(self.paths[CARD]))
        return files


def _link(source: Path, target: Path) -> bool:
    """Give the file a second name; False where that cannot be."""
    try:
        if source.is_symlink():  # moving a link would leave its target behind
            return False
        os.link(source, target)
    except OSError:  # another disk, or one that knows no such
        return False
    return True


def _stored(path: Path, progress: Progress = unseen) -> StoredFile:
    stamp = Stamp.of(path.stat())  # before: later writes must not pass
    return StoredFile(path.name, digest(path, progress), stamp)
