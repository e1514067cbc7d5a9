"""What is to be expected of models for a prompt, with and without examples to compare it with."""

from __future__ import annotations

import asyncio
import logging
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.config.schema import Router
from edge_rt.core.errors import ConfigError, Unavailable
from edge_rt.core.requests import Cost, EmbedCall
from edge_rt.engine.protocol import Embedded, Timings
from edge_rt.models.catalogue import EvaluatedQuality
from edge_rt.routing.quality.assessor import Assessor
from edge_rt.routing.quality.finder import Assessment

RULES = """
examples: {weight: 4, easy: [an easy one], hard: [a hard one]}
"""

COST = Cost(0.5, "measured", 6.0, None, 0.1)


class House:
    """Embeds texts: what has "hard" in it to one side, all else to the other."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.broken = ""
        self.file = "a" * 64  # of the model

    def entry(self, model: str) -> Any:
        return SimpleNamespace(sha256=self.file)

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Any]:
        if self.broken:
            raise Unavailable(self.broken, retry_after_s=1.0, code="x")
        texts = [str(text) for text in call.inputs]
        self.asked.append(texts)
        vectors = array("f", [x for t in texts for x in ((0, 2) if "hard" in t else (2, 0))])
        timings = Timings(0.0, 0.0, 0.0, 1, 0, 0)
        return Embedded(1, 2, vectors.tobytes(), [1] * len(texts), timings), COST


def entry(id: str, figure: float | None, parameters: int = 0) -> Any:
    quality = None if figure is None else EvaluatedQuality(figures={"arc": figure})
    return SimpleNamespace(
        id=id, presumed_quality=quality, summary=SimpleNamespace(parameters=parameters)
    )


def assess(assessor: Assessor, house: House, *texts: str) -> list[Assessment]:
    async def all_of_them() -> list[Assessment]:
        models = [entry("small", 0.3), entry("large", 0.6), entry("new", None)]
        return [await assessor.assess(text, models, house) for text in texts]

    return asyncio.run(all_of_them())


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return str(path)


def test_without_a_model_to_compare_with_nothing_is_embedded(rules: str) -> None:
    house = House()
    (found,) = assess(Assessor(Router(rules=rules)), house, "Who wrote Faust?")
    assert house.asked == []
    assert 0.0 < found.chances["small"].p < found.chances["large"].p < 1.0
    assert found.p("new") is None


def test_prompts_are_compared_with_examples_that_are_embedded_once(rules: str) -> None:
    house = House()
    assessor = Assessor(Router(rules=rules, embedding="minilm"))
    hard, easy, empty = assess(assessor, house, "what is hard", "what is not", "")
    assert [len(texts) for texts in house.asked] == [len(house.asked[0]), 1, 1]
    assert {"an easy one", "a hard one"} <= set(house.asked[0])
    assert hard.chances["small"].p < empty.chances["small"].p < easy.chances["small"].p
    assert any("easy example" in reason for reason in easy.chances["small"].reasons)


def test_another_file_of_the_model_has_other_vectors_of_the_examples(rules: str) -> None:
    house = House()
    assessor = Assessor(Router(rules=rules, embedding="minilm"))
    assess(assessor, house, "what is hard")
    house.file = "b" * 64
    assess(assessor, house, "what is hard", "what is not")
    lengths = [len(texts) for texts in house.asked]
    assert lengths == [lengths[0], 1, lengths[0], 1, 1]


def test_who_cannot_compare_goes_by_rules_and_says_so_once(
    rules: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    house.broken = "no room for it"
    assessor = Assessor(Router(rules=rules, embedding="minilm"))
    with caplog.at_level(logging.WARNING):
        first, second = assess(assessor, house, "what is hard", "what is hard")
    assert first == second
    assert [r.message for r in caplog.records if "no room for it" in r.message] == [
        "prompts are not compared with examples: router.embedding: no room for it"
    ]


def test_a_faulty_file_of_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        Assessor(Router(rules=str(tmp_path / "none.yaml")))


def test_what_comparing_a_prompt_took_is_told_without_what_the_examples_took(rules: str) -> None:
    house, told = House(), []
    assessor = Assessor(Router(rules=rules, embedding="minilm"))
    for text in ("what is hard", "what is not", ""):
        asyncio.run(assessor.assess(text, [], house, told.append))
    assert told == [COST, COST]
    assert len(house.asked) == 3
