"""What is learnt of one kind of request stays with that kind, is bounded, and can be forgotten."""

from __future__ import annotations

import pytest

from edge_rt.routing.quality.learner import (
    KEPT,
    ArmCell,
    ArmEstimate,
    ArmFilter,
    Key,
    Learner,
    file_of,
)

MATHS, CODE = ("maths", "short", "plain"), ("code", "short", "plain")


def key(model: str = "tiny", mode: str = "single", context: tuple = MATHS) -> Key:
    return Key(model, mode, *context)


@pytest.fixture
def learner() -> Learner:
    return Learner(lambda: 1000.0)


def test_what_nobody_marked_is_as_presumed(learner: Learner) -> None:
    assert learner.learnt("tiny", "single", MATHS, 0.7) == ArmEstimate(
        MATHS, 0.7, pytest.approx(0.7)
    )
    assert learner.learnt("tiny", "single", MATHS).p is None


def test_marks_count_where_they_were_given(learner: Learner) -> None:
    learner.mark(key(), 0.0)
    found = learner.learnt("tiny", "single", MATHS, 0.9)
    assert (found.marks, found.p) == (1.0, pytest.approx(0.8))
    for model, mode, context in (("big", "single", MATHS), ("tiny", "lookup", MATHS)):
        assert learner.learnt(model, mode, context, 0.9).p == pytest.approx(0.9)
    assert learner.learnt("tiny", "single", CODE, 0.9).p == pytest.approx(0.9)


def test_marks_of_modes_in_which_answers_are_the_same_are_shared() -> None:
    learner = Learner(lambda: 1000.0, ("single", "lookup"))
    learner.mark(key(mode="lookup"), 0.0)
    learner.took(key(mode="lookup"), 2.0, 2.0)
    for mode in ("single", "lookup"):
        assert learner.learnt("tiny", mode, MATHS, 0.9).p == pytest.approx(0.8)
    assert learner.learnt("tiny", "single", MATHS, 0.9).answers == 0.0
    assert learner.learnt("tiny", "switch:early", MATHS, 0.9).p == pytest.approx(0.9)


def test_marks_are_of_the_file_that_helped_where_that_changes_answers() -> None:
    learner = Learner(lambda: 1000.0, ("single", "speculative"))
    files = [file_of("a", partner) for partner in ("", "b", "c")]
    for mode in ("speculative", "switch:step"):
        learner.mark(key(mode=mode)._replace(file=files[1]), 0.0)
        learner.took(key(mode=mode)._replace(file=files[1]), 2.0, 2.0)

    def learnt(mode: str) -> list[tuple[float, float]]:
        found = [learner.learnt("tiny", mode, MATHS, 0.9, file) for file in files]
        return [(one.marks, one.answers) for one in found]

    assert learnt("switch:step") == [(0.0, 0.0), (1.0, 1.0), (0.0, 0.0)]
    assert learnt("speculative") == [(1.0, 0.0), (1.0, 1.0), (1.0, 0.0)]


def test_joules_and_seconds_are_corrected_apart_from_quality(learner: Learner) -> None:
    learner.took(key(), 2.0, 1.0)
    found = learner.learnt("tiny", "single", MATHS, 0.9)
    assert found.joules_ratio > 1.1
    assert (found.seconds_ratio, found.answers, found.p) == (1.0, 1.0, pytest.approx(0.9))


def test_a_new_calibration_leaves_the_marks(learner: Learner) -> None:
    for model in ("tiny", "big"):
        learner.took(key(model), 2.0, 3.0)
        learner.mark(key(model), 0.0)
    learner.changed.clear()
    learner.recalibrated("tiny")
    found, other = (learner.learnt(model, "single", MATHS, 0.9) for model in ("tiny", "big"))
    assert (found.joules_ratio, found.seconds_ratio, found.answers) == (1.0, 1.0, 0.0)
    assert (found.marks, other.marks, other.answers) == (1.0, 1.0, 1.0)
    assert learner.changed == {key("tiny")}


def test_it_is_bounded(learner: Learner) -> None:
    for number in range(KEPT + 3):
        learner.mark(key(f"model-{number}"), 1.0)
    assert len(learner.cells()) == KEPT
    assert key("model-2") not in learner.cells()
    assert key("model-2") in learner.changed  # so that it leaves the file, too


def test_it_can_forget_a_model_a_mode_or_all(learner: Learner) -> None:
    for model, mode in (("tiny", "single"), ("tiny", "lookup"), ("big", "single")):
        learner.mark(key(model, mode), 0.0)
    learner.changed.clear()
    assert learner.reset(ArmFilter("tiny", "lookup")) == 1
    assert learner.changed == {key("tiny", "lookup")}
    assert learner.reset(ArmFilter(mode="single")) == 2
    assert not learner.cells()


def test_what_was_kept_comes_back_beside_what_is_new(learner: Learner) -> None:
    learner.mark(key("big"), 0.0)
    kept = [(key("big"), ArmCell(1.0, good=9.0)), (key("tiny"), ArmCell(2.0, good=1.0))]
    learner.restore(kept)
    assert learner.learnt("tiny", "single", MATHS, 0.5).marks == pytest.approx(1.0, rel=0.01)
    big = learner.cells()[key("big")]
    assert (big.good, big.bad) == (pytest.approx(9.0, rel=0.01), 1.0)
