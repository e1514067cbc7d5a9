"""Calls of a predicate are counted, and weights compared with the mass of the mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from evallib.structured.maskbench import Case
from evallib.structured.rejection import QWEN_VOCAB, peaked, real
from letters import Letters

from edge_rt.backends.base import Batch
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.distribution import Logits


class Model(Letters):
    """Letters with logits that depend on the last token."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = Batch(512)
        self._last = 0

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        return super().tokenize(text.lower(), special=special)

    def forward(self) -> None:
        self._last = int(self.batch.token[self.batch.size - 1])

    def logits(self, row: int) -> Logits:
        return np.random.default_rng(self._last).normal(0, 1, self.vocab).astype(np.float32)

    def rewind(self, seq: int, length: int) -> bool:
        return True


@pytest.fixture
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def test_a_peaked_distribution_takes_few_calls() -> None:
    row = peaked(1, draws=10).row()
    assert (row["vocab"], row["tokens"]) == (QWEN_VOCAB, 10)
    assert row["awrs_calls_ratio"] == pytest.approx(QWEN_VOCAB / row["calls_per_token"])
    assert row["awrs_calls_ratio"] > 50


def test_answers_are_held_to_schemas(grammars: Grammars) -> None:
    schemas: Sequence[object] = [{"enum": ["ab", "ba", "c"]}, {"type": "boolean"}]
    cases = [Case(f"{index}", schema, []) for index, schema in enumerate(schemas)]
    sampled, greedy = (calls.row() for calls in real(Model(), grammars, cases * 20, 3))
    assert (sampled["name"], greedy["name"]) == ("sampled", "greedy")
    assert sampled["vocab"] == Letters().vocab
    assert sampled["weight"] == pytest.approx(sampled["mass"], abs=4 * sampled["weight_error_se"])
    assert greedy["weight"] is None
    assert 1 <= greedy["calls_per_token"] <= Letters().vocab
