from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchlib import BenchError, prompts
from benchlib.workload import Amounts


def public(root: Path, questions: int) -> Path:
    texts = [f"Question number {n}: what does this word really mean?" for n in range(questions)]
    rows = [{"turns": [text]} for text in texts]
    (root / "prompts").mkdir()
    (root / "prompts/mt_bench_question.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "gsm8k").mkdir()
    (root / "gsm8k/test.jsonl").write_text(json.dumps({"question": "Too short?"}) + "\n")
    (root / "wikitext").mkdir()
    (root / "wikitext/valid.txt").write_text("a word or two of text \n" * 2000)
    return root


def test_without_public_data_there_is_enough_text_of_our_own(tmp_path: Path) -> None:
    found = prompts.load(tmp_path)
    assert found.source == "built in"
    amounts = Amounts()
    found.take(amounts.short, amounts.prefill)
    assert found == prompts.built_in()


@pytest.mark.parametrize("source", ["built in", "public"])
def test_no_two_prompts_are_alike_nor_begin_alike(source: str, tmp_path: Path) -> None:
    found = prompts.built_in() if source == "built in" else prompts.load(public(tmp_path, 40))
    assert len(set(found.short)) == len(found.short)
    if source == "built in":
        assert len({text[:200] for text in found.long}) == len(found.long)


def test_public_prompts_are_taken_in_order_and_by_length(tmp_path: Path) -> None:
    found = prompts.load(public(tmp_path, 3))
    assert found.source == "public data"
    assert len(found.short) == 3
    assert found.short[0].startswith("Question number 0")
    assert all(1700 < len(text) < 1800 for text in found.long)


def test_too_few_prompts_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="needs 9 short"):
        prompts.load(public(tmp_path, 3)).take(9, 1)
