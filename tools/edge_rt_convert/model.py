"""The folder of an ONNX model: its graph, weights, tokenizer and card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import yaml

from edge_rt.models.formats.card import CARD, read_card, write_card
from edge_rt.models.naming import derive_id
from edge_rt.models.store.digest import digest
from edge_rt_convert import ConvertError
from edge_rt_convert.card import language_card
from edge_rt_convert.decoder import Decoder
from edge_rt_convert.graph import Graph
from edge_rt_convert.hyper import read_hyper
from edge_rt_convert.source import Source
from edge_rt_convert.tokenizer import tokenizer_json

GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
TOKENIZER = "tokenizer.json"
FILES = (GRAPH, WEIGHTS, TOKENIZER)  # beside the card

_FORMS = {
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "Q4_0": "int4",
    "Q4_1": "int4",
    "Q4_K": "int4",
}


def convert_gguf(
    path: Path,
    folder: Path,
    *,
    round_all: bool = False,
    on_layer: Callable[[int, int], None] = lambda done, count: None,
) -> None:
    """Write the model of the GGUF at `path` into `folder`, which must be there.

    `round_all`: every matrix to 8 bits. `on_layer` is told how many layers of how many are done.
    Raises ConvertError.
    """
    source = Source(path)
    hyper = read_hyper(source)
    tokenizer = tokenizer_json(source)  # before the weights: it may not be known
    card = language_card(source, hyper, "int8" if round_all else quantisation(source))
    graph = Graph(folder / WEIGHTS)
    decoder = Decoder(source, hyper, graph, round_all)
    decoder.build(lambda layer: on_layer(layer + 1, hyper.layers))
    if unused := source.unused():
        raise ConvertError(
            f"{path} also has {unused[0]}, which is not known in {hyper.architecture}"
        )
    graph.save(folder / GRAPH, source.path.stem)
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (folder / TOKENIZER).write_text(text, "utf-8")
    (folder / CARD).write_bytes(write_card(card))


def quantisation(source: Source) -> str:
    """The form that most weights have in the graph: int4, int8, fp16, bf16 or fp32."""
    counts: Counter[str] = Counter()
    for kind, count in source.elements():
        counts[_FORMS.get(kind, "int8")] += count
    return counts.most_common(1)[0][0]


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of each of the model's files, the card's included."""
    return {name: digest(folder / name) for name in (*FILES, CARD)}


def entry_yaml(folder: Path, sums: dict[str, str]) -> str:
    """The entry as it stands in a catalogue; where the files can be had is left to be filled in."""
    card = read_card(folder / CARD)
    entry = {
        "id": derive_id(folder, card.name),
        "description": f"{card.name or folder.name}, {card.quantisation} for onnxruntime",
        "publisher": card.publisher or "unknown",
        "licence": card.licence or "unknown",
        "backend": "onnx",
        "files": [
            {"name": name, "bytes": (folder / name).stat().st_size, "sha256": sums[name]}
            for name in FILES
        ],
        "card": msgspec.to_builtins(card),
    }
    return yaml.safe_dump({"models": [entry]}, sort_keys=False, allow_unicode=True, width=100)
