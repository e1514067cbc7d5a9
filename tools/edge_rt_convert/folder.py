"""A local Hugging Face folder, converted through onnxruntime-genai's model builder."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from edge_rt.models.formats.card import CARD, LanguageModelCard, write_card
from edge_rt_convert import ConvertError
from edge_rt_convert.adapt import adapt
from edge_rt_convert.agreement import Tally
from edge_rt_convert.builder import PRECISIONS, Builder
from edge_rt_convert.check import OURS, Bounds, Check, faults_of
from edge_rt_convert.model import GRAPH, TOKENIZER, WEIGHTS
from edge_rt_convert.runs import WINDOW, OnnxRun, windows


def convert_folder(builder: Builder, source: Path, folder: Path, bits: int | None) -> None:
    """Write the model of the folder `source` into `folder`, which must be there.

    `bits`: 4 or 8 to round matrices to, None for float32. Raises ConvertError.
    """
    for name in ("config.json", TOKENIZER):
        if not (source / name).is_file():
            raise ConvertError(f"{source} has no {name}, which is needed")
    built = folder / "built"
    builder.build(source.absolute(), built.absolute(), bits)
    facts = _read(built / "genai_config.json")["model"]
    sizes = ("hidden_size", "num_key_value_heads", "head_size")
    adapt(built / GRAPH, *(facts["decoder"][size] for size in sizes))
    for name in (GRAPH, WEIGHTS):
        (built / name).replace(folder / name)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    card = _card(source, built, facts, PRECISIONS[bits])
    (folder / CARD).write_bytes(write_card(card))
    shutil.rmtree(built)


def _card(source: Path, built: Path, facts: dict[str, Any], precision: str) -> LanguageModelCard:
    decoder, ends = facts["decoder"], facts["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    words = _read(source / "tokenizer_config.json")
    bos = facts.get("bos_token_id")
    return LanguageModelCard(
        name=source.name,
        architecture=facts["type"],
        quantisation=precision,
        parameters=_parameters(source),
        context=facts["context_length"],
        layers=decoder["num_hidden_layers"],
        embedding=decoder["hidden_size"],
        heads=decoder["num_attention_heads"],
        kv_heads=decoder["num_key_value_heads"],
        head_dim=decoder["head_size"],
        vocab=facts["vocab_size"],
        chat_template=_template(source, built, words),
        bos_token=_word(words.get("bos_token")),
        eos_token=_word(words.get("eos_token")),
        add_bos=bos is not None and _adds_bos(source, words, bos),
        bos_id=bos,
        end_ids=ends,
    )


def _adds_bos(source: Path, words: dict[str, Any], bos: int) -> bool:
    """Whether texts begin with that token, by either of the files that may say so."""
    tokenizer = Tokenizer.from_file(str(source / TOKENIZER))
    return bool(words.get("add_bos_token")) or tokenizer.encode("").ids[:1] == [bos]


def _parameters(source: Path) -> int:
    """The numbers in all weight files, from their headers."""
    count = 0
    for path in source.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            count += 0 if name == "__metadata__" else math.prod(tensor["shape"])
    return count


def _template(source: Path, built: Path, words: dict[str, Any]) -> str | None:
    for folder in (source, built):
        if (path := folder / "chat_template.jinja").is_file():
            return path.read_text("utf-8")
    template = words.get("chat_template")
    return template if isinstance(template, str) else None


def _word(token: object) -> str | None:
    """Files write a token as text or as an object that holds it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


_ORIGINAL = "transformers, float32"
_BOUNDS = {  # what rounding may cost; 4 bits cost much
    None: Bounds(kl_nats=0.001, top1_lost=0.02, drift_nats=0.01),
    8: Bounds(kl_nats=0.03, top1_lost=0.12, drift_nats=0.03),
    4: Bounds(kl_nats=0.5, top1_lost=0.5, drift_nats=0.4),
}


def check_folder(
    builder: Builder, source: Path, folder: Path, bits: int | None, text: str | None, count: int
) -> Check:
    """Run one window of `text`, or of what the model makes up, of `count` tokens at most."""
    with tempfile.TemporaryDirectory(prefix="edge-rt-convert-") as directory:
        tokens_file, logits_file = Path(directory, "tokens.json"), Path(directory, "logits.npy")
        if text is not None:
            tokens_file.write_text(json.dumps(_tokens(folder, text, count)))
        script = str(Path(__file__).with_name("reference.py"))
        words = [script, str(source.absolute()), str(tokens_file), str(logits_file)]
        builder.run([*words, str(min(count, WINDOW))], "Running the original")
        tokens: list[int] = json.loads(tokens_file.read_text())
        reference = np.load(logits_file)
    return _compare(tokens, reference, folder / GRAPH, _BOUNDS[bits])


def _tokens(folder: Path, text: str, count: int) -> list[int]:
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    found = tokenizer.encode(text, add_special_tokens=False).ids[:count]
    return list(windows(found)[0])


def _compare(tokens: list[int], reference: np.ndarray, graph: Path, bounds: Bounds) -> Check:
    tallies = {name: Tally() for name in (_ORIGINAL, *OURS)}
    tallies[_ORIGINAL].add(tokens, reference, reference)
    for name, one_by_one in zip(OURS, (False, True), strict=True):
        run = OnnxRun(graph, one_by_one=one_by_one, threads=1)
        tallies[name].add(tokens, reference, run.logits(tokens))
    rows = {name: tally.result() for name, tally in tallies.items()}
    return Check(rows, bounds, faults_of(rows, bounds))
