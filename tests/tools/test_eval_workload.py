"""Which questions are asked, in what words, and when."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from evallib import EvalError
from evallib.task import sample
from evallib.tasks import Gsm8k, MtBench
from evallib.workload import (
    ALTERED,
    AS_IT_IS,
    REWORDED,
    TRACE,
    Recipe,
    arrivals,
    reworded,
    workload,
    works,
)
from hypothesis import given
from hypothesis import strategies as st

RECIPE = Recipe(requests=200, zipf=1.0, reworded=0.3, altered=0.1, per_minute=12.0)
CODE = 'What is it?\n\n```python\ndef f(x):\n    """Which of the following is not x."""\n```'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"question": f"Ann is {n} and Bob is {n + 9}. How old are they?", "answer": f"#### {n}"}
        for n in range(30)
    ]
    write(tmp_path / Gsm8k.file, *map(json.dumps, rows))
    turns = [{"question_id": n, "turns": [f"Write a poem on {n} hens."]} for n in range(9)]
    write(tmp_path / MtBench.file, *map(json.dumps, turns))
    trace(tmp_path, [2 * n if n % 3 else 2 * n + 1 for n in range(400)])
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def trace(data: Path, seconds: list[int]) -> None:
    times = [f"2023-11-16 {s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}.9799600" for s in seconds]
    write(data / TRACE, "TIMESTAMP,ContextTokens,GeneratedTokens", *(f"{t},9,9" for t in times))


def test_arrivals_keep_their_rhythm_at_the_rate_asked_for(data: Path) -> None:
    trace(data, [0, 1, 2, 100, 101, 200])
    assert arrivals(data, 6, per_minute=60.0, seed=0) == pytest.approx(
        [0.0, 0.025, 0.05, 2.5, 2.525, 5.0]
    )
    some = arrivals(data, 4, per_minute=30.0, seed=1)
    assert (some[0], some[-1], some) == (0.0, pytest.approx(6.0), sorted(some))


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "--data names the folder"), ("TIME\n1\n", "TIMESTAMP"), ("TIMESTAMP\nnow\n", "now")],
)
def test_a_trace_that_is_none_is_told(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        write(tmp_path / TRACE, text)
    with pytest.raises(EvalError, match=told):
        arrivals(tmp_path, 1, 1.0, 0)


def test_more_requests_than_arrivals_are_told(data: Path) -> None:
    with pytest.raises(EvalError, match="has 400 arrivals, not 401"):
        arrivals(data, 401, 1.0, 0)


@given(
    st.integers(0, 10_000),
    st.sampled_from(["Is 4 not 5?", "What is 7 due to?", "Count 12 hens, each day 3.", CODE]),
)
def test_a_reworded_prompt_is_another_with_the_same_numbers_and_code(seed: int, text: str) -> None:
    said = reworded(text, random.Random(seed))
    assert said != text
    assert re.findall(r"\d+", said) == re.findall(r"\d+", text)
    assert said.split("```")[1:2] == text.split("```")[1:2]


def test_what_the_other_evaluations_ask_first_is_not_asked(data: Path) -> None:
    (found,) = works([Gsm8k()], data, 10, seed=3)
    first = sample(Gsm8k().items(data), 20, seed=3)
    assert len(found.items) == 10
    assert not {item.id for item in found.items} & {item.id for item in first}


def test_a_seed_decides_on_everything(data: Path) -> None:
    found = works([Gsm8k()], data, 10, 1)
    assert workload(found, data, RECIPE, 1) == workload(found, data, RECIPE, 1)
    assert workload(found, data, RECIPE, 1) != workload(found, data, RECIPE, 2)


def test_questions_come_again_in_the_same_words_in_others_and_almost(data: Path) -> None:
    found = [*works([Gsm8k()], data, 10, 0), *works([MtBench()], data, 5, 0)]
    asked = workload(found, data, RECIPE, 0)
    forms = Counter(one.form for one in asked)
    assert len(asked) == 200
    assert forms[REWORDED] == pytest.approx(60, abs=20)
    assert forms[ALTERED] == pytest.approx(20, abs=10)
    known = {item.id: item for work in found for item in work.items}
    for one in asked:
        plain = known[one.item.id.removesuffix(", altered")]
        assert (one.item.prompt == plain.prompt) == (one.form == AS_IT_IS)
        assert one.judged == (one.form != ALTERED and one.task.name == "gsm8k")
    often = Counter(one.item.id.removesuffix(", altered") for one in asked).most_common()
    assert often[0][1] > 5 * often[-1][1]  # of 15 ranks


def test_a_reworded_question_is_the_same_and_an_altered_one_another(data: Path) -> None:
    asked = workload(works([Gsm8k()], data, 3, 0), data, RECIPE, 0)
    assert len({one.question for one in asked if one.form != ALTERED}) == 3
    assert len({one.question for one in asked}) == 6
