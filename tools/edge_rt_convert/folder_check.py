"""The check of a model built from a folder against the folder's own weights in float32."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from edge_rt_convert.agreement import Tally
from edge_rt_convert.builder import Builder
from edge_rt_convert.check import OURS, Bounds, Check, faults_of
from edge_rt_convert.model import GRAPH, TOKENIZER
from edge_rt_convert.runs import OnnxRun
from edge_rt_convert.text import WINDOW, windows

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
