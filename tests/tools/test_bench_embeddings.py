from __future__ import annotations

from pathlib import Path

import pytest
from benchlib.daemon import Ours
from benchlib.server import Settings
from benchmarks.embeddings import BATCH, Bench, sentences


@pytest.mark.parametrize("words", [1, 10, 40])
def test_texts_have_their_length_and_most_are_different(words: int) -> None:
    texts = sentences(words)
    assert len(texts) == BATCH
    assert {len(text.split()) for text in texts} == {words}
    assert len(set(texts)) >= 14


def test_the_ratio_is_how_many_times_faster_the_batch_is() -> None:
    settings = Settings(Path("x.onnx"), "model", 512, 1, 1)
    bench = Bench(Ours(Path("python"), Path("store"), Path("dir")), settings, sentences(3))
    bench.found = {
        "batch_s": [1.0, 2.0, 9.0],
        "singles_s": [6.0, 5.0, 7.0],
        "engine_batch_s": [1.0],
        "engine_singles_s": [2.5],
    }
    values = bench.report().values
    assert values["batch_s"] == 2.0
    assert values["batch_vs_singles"] == 3.0
    assert values["engine_batch_vs_singles"] == 2.5
