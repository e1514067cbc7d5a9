"""Questions from files of their data sets' forms, and how answers to them are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evallib import EvalError
from evallib.sandbox import Outcome
from evallib.task import Item, sample
from evallib.tasks import NAMES, HumanEval, task_of
from hypothesis import given
from hypothesis import strategies as st

# One made-up row of each form, what is asked of it, a right answer and a wrong one.
ROWS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "gsm8k": (
        {"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"},
        "Two and two?",
        "It is 4, so\n#### 4",
        "#### 5",
    ),
    "svamp": (
        {"context": "Ann has 9 pens and loses 2. How many?", "answer": "7", "chain_of_thought": ""},
        "Ann has 9 pens",
        "She has 7.0 pens.",
        "She has 2.",
    ),
    "arc": (
        {"query": "Question: What is wet?", "choices": ["fire", "water"], "gold": 1},
        "What is wet?\n\nA. fire\nB. water",
        "B. water",
        "A",
    ),
    "humaneval": (
        {
            "task_id": "Made/1",
            "prompt": 'def same(x):\n    """ Return x. """\n',
            "entry_point": "same",
            "test": "def check(candidate):\n    assert candidate(3) == 3\n",
        },
        "```python\ndef same(x):",
        "```python\ndef same(x):\n    return x\n```",
        "```python\ndef same(x):\n    return 3 * x\n```",
    ),
}


def write(data: Path, name: str, *rows: object) -> None:
    file = data / task_of(name).file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_becomes_a_question_whose_answers_are_judged(name: str, tmp_path: Path) -> None:
    row, asked, right, wrong = ROWS[name]
    write(tmp_path, name, row)
    task = task_of(name)
    (item,) = task.items(tmp_path)
    assert asked in item.prompt
    assert task.judge(item, right).correct
    assert not task.judge(item, wrong).correct
    assert task.judge(item, wrong).answer is not None
    assert not task.judge(item, "").correct


def test_every_question_has_an_id_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "gsm8k", *[ROWS["gsm8k"][0]] * 20)
    assert len({item.id for item in task_of("gsm8k").items(tmp_path)}) == 20


def test_a_missing_folder_or_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=r"none is no folder: .*gsm8k/test\.jsonl with --data"):
        task_of("gsm8k").items(tmp_path / "none")
    with pytest.raises(EvalError, match=r"gsm8k/test\.jsonl: No such file.*--data"):
        task_of("gsm8k").items(tmp_path)


@pytest.mark.parametrize("row", [{"question": "x"}, {"question": 3, "answer": "1"}, 7])
def test_a_row_of_another_form_is_told(row: object, tmp_path: Path) -> None:
    write(tmp_path, "gsm8k", ROWS["gsm8k"][0], row)
    with pytest.raises(EvalError, match=r"gsm8k/test\.jsonl.*2"):
        task_of("gsm8k").items(tmp_path)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_longer_sample_begins_with_the_shorter_one(n: int, limit: int, seed: int) -> None:
    items = [Item(f"{number:03}", "?", 1) for number in range(n)]
    whole = sample(items, None, seed)
    assert sorted(item.id for item in whole) == [item.id for item in items]
    assert sample(items[::-1], limit, seed) == whole[:limit]


def test_another_seed_is_another_order() -> None:
    items = [Item(f"{number:03}", "?", 1) for number in range(50)]
    assert sample(items, 10, 0) != sample(items, 10, 1)


def test_a_program_is_run_with_its_tests_and_says_why_it_failed() -> None:
    ran: list[str] = []

    def run(program: str) -> Outcome:
        ran.append(program)
        return Outcome(False, "AssertionError")

    task = HumanEval(run)
    item = task.item(0, ROWS["humaneval"][0])
    judged = task.judge(item, "```python\ndef same(x):\n    return 1\n```")
    assert (judged.correct, judged.why) == (False, "AssertionError")
    assert ran[0].endswith("check(same)\n")
