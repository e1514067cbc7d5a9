"""What somebody brings for the store: the files of one model, looked at before they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.card import CARD, TensorsCard, read_card, summarise_card, write_card
from edge_rt.models.formats.description import Description
from edge_rt.models.formats.gguf import refuse_twins
from edge_rt.models.formats.onnx_file import read_onnx
from edge_rt.models.formats.summary import Summary, read_summary
from edge_rt.models.formats.tokenizer_file import longest_text
from edge_rt.models.naming import stored_name
from edge_rt.models.store.manifest import Backend

GRAPH = "model.onnx"  # the main file of a folder
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Offer:
    """A model's files where they lie now, by the name that each will have; the main one first.

    `made` is the content of a card that no file holds yet.
    """

    place: Path  # what was named: a file or a folder
    files: Mapping[str, Path]
    made: bytes | None = None


def look(place: Path, said: Description | None = None) -> Offer:
    """The model at `place`: a GGUF file, an ONNX file, or a folder with model.onnx.

    Of a folder the graph, the files that hold its weights, tokenizer.json and model.json belong
    to the model. Where there is no card, one is made as `said` says. Raises ModelFileError for
    what is no whole model, RequestError where that lacks something or does not fit.
    """
    said = said or Description()
    if place.is_dir():
        return _onnx(place, place / GRAPH, said)
    if place.suffix.lower() == ".onnx":
        return _onnx(place, place, said)
    said.refuse_for(f"{place} is no ONNX model")
    read_summary(place)
    return Offer(place, {stored_name(place, "model.gguf"): place})


def glance(main: Path, backend: Backend) -> None:
    """The header of a model's main file, looked at again before a native library reads the file.

    Raises ModelFileError. Costs some hundredths of a second.
    """
    if backend == "llama.cpp":
        read_summary(main)
    else:
        read_onnx(main)


def describe(files: Mapping[str, Path]) -> tuple[Backend, Summary]:
    """What runs the model of these files, and what it is; raises ModelFileError."""
    main = next(iter(files.values()))
    if CARD not in files:
        refuse_twins(main)
        return "llama.cpp", read_summary(main)
    graph = read_onnx(main)
    card = read_card(files[CARD])
    if not isinstance(card, TensorsCard) and TOKENIZER not in files:
        raise ModelFileError(f"{main.parent}: {TOKENIZER} is missing; a model of text needs it")
    if TOKENIZER in files:
        longest_text(files[TOKENIZER])  # may raise
    weights = [main, *(files[name] for name in graph.external)]
    summary = summarise_card(card, sum(path.stat().st_size for path in weights))
    context = min(summary.context_train, graph.positions or summary.context_train)
    return "onnx", msgspec.structs.replace(summary, context_train=context)


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
