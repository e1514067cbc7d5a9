"""From evaluated answers to what a doubt says of the next one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_rt.core.errors import ConfigError, RequestError
from edge_rt.models.doubt import DoubtCalibration, DoubtStep, Seen, calibrate, read_seen
from edge_rt.models.pairs import Doubts

FOUND = DoubtCalibration(
    model="tiny",
    sha256="0" * 64,
    answers=80,
    steps=[DoubtStep(0.1, 0.2, 0.4), DoubtStep(0.5, 0.5, 0.2), DoubtStep(1.0, 0.8, 0.4)],
    source="own run",
)


def record(item: str, *, correct: bool, **changes: Any) -> dict[str, Any]:
    """A line as `tools/eval run` writes it, with more than is looked at."""
    key = ["arc", item, "tiny", "{}", "fp_1", "abc"]
    doubt = {"tokens": 2, "entropy": 0.5, "margin": 0.75}
    return {"key": key, "way": "tiny", "failed": None, "correct": correct, "doubt": doubt} | changes


def written(path: Path, *records: dict[str, Any]) -> Path:
    file = path / "run.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in records))
    return file


def test_doubt_moves_what_was_known_before() -> None:
    assert FOUND.good(0.5, 0.5) == pytest.approx(0.5)
    assert FOUND.good(0.5, 0.05) == FOUND.good(0.5, 0.2) == pytest.approx(0.8)
    assert FOUND.good(0.8, 2.0) == pytest.approx(0.5)
    assert FOUND.good(0.3, 0.7) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("before", "floor", "least", "most"),
    [
        (0.5, 0.5, 0.9, 1.0),
        (0.5, 0.7, 0.4, 0.5),
        (0.9, 0.5, math.inf, math.inf),
        (0.2, 0.6, -1, -1),
    ],
)
def test_up_to_the_most_doubt_the_floor_is_kept(
    before: float, floor: float, least: float, most: float
) -> None:
    found = FOUND.most(before, floor)
    assert least <= found <= most
    if math.isfinite(found) and found > 0.0:
        assert FOUND.good(before, found) >= floor > FOUND.good(before, math.nextafter(found, 9.0))


def test_what_is_kept_of_all_answers_is_better_than_the_rest() -> None:
    kept = FOUND.kept(0.5, 0.6)
    assert kept.share == pytest.approx(0.6)
    assert kept.good == pytest.approx((0.32 + 0.1) / 0.6)
    assert FOUND.kept(0.5, 0.05) == (0.0, 0.0)
    assert FOUND.kept(0.3, math.inf) == pytest.approx((1.0, 0.3))
    assert FOUND.kept(0.9, 0.6).share > 0.6 > FOUND.kept(0.1, 0.6).share


def test_steps_rise_and_find_what_made_the_answers() -> None:
    random = Random(1)
    scores = [random.random() for _ in range(4000)]
    seen = [Seen("a", score, random.random() < score) for score in scores]
    steps = calibrate(seen)
    assert [step.score for step in steps] == sorted(step.score for step in steps)
    assert [step.wrong for step in steps] == sorted(step.wrong for step in steps)
    assert sum(step.share for step in steps) == pytest.approx(1.0, abs=1e-3)
    found = DoubtCalibration(model="tiny", sha256="0" * 64, answers=4000, steps=steps)
    for score in (0.2, 0.5, 0.8):
        assert 1.0 - found.good(0.5, score) == pytest.approx(score, abs=0.08)


def test_the_least_doubt_of_all_says_little_by_itself() -> None:
    """The answer with the least doubt was right, that with the most wrong, the rest by chance."""
    seen = [Seen("arc", float(item), item % 2 == 1) for item in range(100)]
    steps = calibrate(seen)
    assert steps[0].wrong > 0.4
    assert steps[-1].wrong < 0.6


def test_how_hard_a_test_is_says_nothing_of_doubt() -> None:
    """In both the answers are as likely wrong at any doubt; the hard one has the larger doubts."""
    random = Random(2)
    easy = [Seen("easy", random.random(), random.random() < 0.1) for _ in range(2000)]
    hard = [Seen("hard", 1.0 + random.random(), random.random() < 0.9) for _ in range(2000)]
    found = DoubtCalibration(
        model="tiny", sha256="0" * 64, answers=4000, steps=calibrate([*easy, *hard])
    )
    for score in (0.3, 0.7, 1.3, 1.7):
        assert found.good(0.5, score) == pytest.approx(0.5, abs=0.1)


def test_a_test_of_which_all_is_right_says_nothing_and_few_answers_are_refused() -> None:
    right = [Seen("a", 0.1 * i, wrong=False) for i in range(50)]
    with pytest.raises(RequestError, match="0 answers with a doubt"):
        calibrate(right)
    mixed = [Seen("b", 0.1 * i, wrong=i > 10) for i in range(20)]
    with pytest.raises(RequestError, match=r"20 answers .* 30 are the least"):
        calibrate([*right, *mixed])


def test_answers_are_read_as_an_evaluation_wrote_them(tmp_path: Path) -> None:
    others = ["arc", "3", "big", "{}", "fp_2", "abc"]
    file = written(
        tmp_path,
        record("1", correct=False),
        record("1", correct=True),
        record("2", correct=False, doubt=None),
        record("3", correct=True, key=others),
        record("4", correct=False, failed="no answer"),
        record("5", correct=False, doubt={"tokens": 8, "entropy": 2.0, "margin": 0.0}),
    )
    first, second = read_seen(file, "tiny")
    assert (first.test, first.wrong, second.wrong) == ("arc", False, True)
    assert second.score > first.score


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"key": [], "failed": null, "correct": true}'])
def test_another_file_is_told_with_its_line(line: str, tmp_path: Path) -> None:
    file = written(tmp_path, record("1", correct=True))
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(ConfigError, match=r"run\.jsonl:2: not what `tools/eval run` writes"):
        read_seen(file, "tiny")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_seen(tmp_path / "none", "tiny")


def test_what_was_found_stays_until_the_model_is_another(tmp_path: Path) -> None:
    doubts = Doubts(tmp_path / "store")
    assert doubts.of("tiny", "0" * 64) is None
    path = Doubts(tmp_path / "store").write(FOUND)
    assert path == tmp_path / "store" / "doubts.yaml"
    assert doubts.of("tiny", "0" * 64) == FOUND
    assert doubts.of("tiny", "1" * 64) is None
