"""What was learnt decides with what is foretold, never past the floor, and the trace tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_help import BIG, SMOL, ToldRouter, ask, now, prediction

from edge_rt.core.limits import Limits
from edge_rt.routing.choice.ask import Now
from edge_rt.routing.choice.history import Ages
from edge_rt.routing.choice.trace import Trace
from edge_rt.routing.quality.judge import JOULES, ONE, REQUESTS, ArmTrials, Judge
from edge_rt.routing.quality.learner import MOST, PRIOR, Key, Learner

MATHS = ("maths", "short", "plain")
TOLD = {("smol", 2): prediction(1.0, 10.0), ("big", 2): prediction(3.0, 30.0)}
POOL = [replace(SMOL, quality=0.7), replace(BIG, quality=0.9)]


class Stage:
    """A router that learns, of two models that are loaded."""

    def __init__(self, told: dict = TOLD) -> None:
        self.learner, self.trials = Learner(lambda: 1e9), ArmTrials()
        ages = Ages(lambda: 1e9)
        ages.explored()  # so that nothing else is tried
        self.router = ToldRouter(told, ages, Judge(self.learner, self.trials))

    def choose(self, *, floor: float | None = 0.5, board: Now | None = None, **asked) -> Trace:
        board = board or now(SMOL, BIG, threads=(2,))
        context = asked.pop("context", MATHS)
        pool = asked.pop("pool", POOL)
        return self.router.choose(ask(quality=floor, context=context, **asked), pool, board)

    def serve(self, **asked) -> str:
        trace = self.choose(**asked)
        self.router.follow(trace)
        assert trace.chosen is not None
        return trace.chosen.setting.variant

    def mark(self, mark: float, model: str = "smol", times: int = 1) -> None:
        for _ in range(times):
            self.learner.mark(Key(model, "single", *MATHS), mark)

    def took(self, joules: float, model: str = "smol", times: int = 1) -> None:
        for _ in range(times):
            self.learner.took(Key(model, "single", *MATHS), joules, 1.0)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_was_marked_bad_is_left_for_such_prompts_alone(stage: Stage) -> None:
    assert stage.serve() == "smol"
    stage.mark(0.0, times=5)
    assert stage.serve() == "big"
    assert stage.serve(context=("code", "short", "plain")) == "smol"
    assert stage.serve(context=None) == "smol"


def test_marks_are_of_the_file_that_was_marked(stage: Stage) -> None:
    pool = [replace(SMOL, quality=0.7, file="a"), replace(BIG, quality=0.9)]
    for _ in range(5):
        stage.learner.mark(Key("smol", "single", *MATHS, file="a"), 0.0)
    assert stage.serve(pool=pool) == "big"
    assert stage.serve(pool=[replace(pool[0], file="b"), pool[1]]) == "smol"


def test_what_was_marked_good_is_trusted_with_more(stage: Stage) -> None:
    assert stage.serve(floor=0.8) == "big"
    stage.mark(1.0, times=5)
    assert stage.serve(floor=0.8) == "smol"


def test_what_takes_more_than_foretold_is_left(stage: Stage) -> None:
    stage.took(4.0, times=40)
    assert stage.serve() == "big"


def test_the_trace_tells_what_was_learnt(stage: Stage) -> None:
    stage.mark(1.0, times=2)
    stage.took(1.5)
    trace = stage.choose()
    assert trace.chosen is not None
    learnt = trace.chosen.learnt
    assert learnt is not None
    assert (learnt.context, learnt.presumed, learnt.marks, learnt.answers) == (MATHS, 0.7, 2, 1)
    assert trace.chosen.quality == learnt.p == pytest.approx(0.76)
    assert trace.chosen.energy_j == pytest.approx(10.0 * learnt.joules_ratio)


def test_seconds_are_corrected_but_for_those_of_loading(stage: Stage) -> None:
    stage.learner.took(Key("smol", "single", *MATHS), 1.0, 2.0)
    pool = [replace(SMOL, load_s=5.0)]
    trace = stage.choose(pool=pool, board=now(threads=(2,)), floor=None)
    assert trace.chosen is not None
    assert trace.chosen.learnt is not None
    assert trace.chosen.seconds == pytest.approx(5.0 + trace.chosen.learnt.seconds_ratio)


# --- trials

ALIKE = {("smol", 2): prediction(1.0, 10.0), ("big", 2): prediction(1.1, 10.5)}


def test_once_in_a_while_the_less_known_is_tried() -> None:
    stage = Stage(ALIKE)
    stage.took(1.0, times=20)
    served = [stage.serve() for _ in range(200)]
    assert served.count("big") == 200 * REQUESTS
    assert stage.trials.extra_j <= JOULES * stage.trials.best_j


def test_a_trial_says_so() -> None:
    stage = Stage(ALIKE)
    stage.took(1.0, times=20)
    trace = next(t for t in iter(lambda: _followed(stage), None) if t.explores)
    assert trace.extra_j == pytest.approx(10.5 - trace.considered[1].candidate.energy_j)
    assert "a trial" in trace.why
    assert [row.candidate.setting.variant for row in trace.considered] == ["big", "smol"]


def _followed(stage: Stage) -> Trace:
    trace = stage.choose()
    stage.router.follow(trace)
    return trace


@pytest.mark.parametrize(
    "hindrance",
    [
        {"floor": 0.8},  # and smol alone reaches it by its marks
        {"prefer": "latency"},
        {"board": now(SMOL, threads=(2,))},  # big is not loaded
        {"board": now(SMOL, BIG, threads=(2,), limits=Limits(2, guard="caution"))},
        {"board": now(SMOL, BIG, threads=(2,), limits=Limits(2, smaller=True))},
        {"energy_j": 10.4},
    ],
)
def test_nothing_is_tried_that_must_not_be(hindrance: dict) -> None:
    stage = Stage(ALIKE)
    stage.took(1.0, times=20)
    stage.mark(1.0, times=20)
    stage.mark(0.0, "big", times=2)
    assert {stage.serve(**hindrance) for _ in range(60)} == {"smol"}


# --- bounds

floors = st.floats(0.3, 0.95)
marks = st.floats(0.0, 1.0)


@given(
    floor=floors,
    steps=st.lists(st.tuples(marks, marks, marks, st.floats(0.3, 30.0)), max_size=150),
)
def test_whatever_is_marked_and_measured_regret_is_bounded(floor: float, steps: list) -> None:
    """An adversary presumes, foretells, marks and measures as it likes.

    While there is one that is good enough, nothing else is taken; marks of what is taken fall short
    of the floor by a bounded sum for each arm and context; and trials take no more joules, as
    foretold, than they may.
    """
    stage, missed, counts, best_j, taken_j = Stage(), {}, {}, 0.0, 0.0
    for small, large, mark, ratio in steps:
        pool = [replace(SMOL, quality=small), replace(BIG, quality=large)]
        trace = stage.choose(floor=floor, pool=pool)
        stage.router.follow(trace)
        chosen = trace.chosen
        assert chosen is not None
        rows = [row.candidate for row in trace.considered]
        good = [c for c in rows if (c.quality or 0.0) >= floor]
        assert chosen in good or not good
        cheapest = min(c.energy_j or 0.0 for c in good or [chosen])
        best_j, taken_j = best_j + cheapest, taken_j + (chosen.energy_j or 0.0)
        assert (chosen.energy_j or 0.0) <= (1.0 + ONE + 0.05) * cheapest
        key = Key(chosen.setting.variant, "single", *MATHS)
        if good:
            missed[key] = missed.get(key, 0.0) + floor - mark
            counts[key] = counts.get(key, 0) + 1
            stage.learner.mark(key, mark)
        stage.learner.took(key, ratio, 1.0)
    for key, short in missed.items():
        allowed = PRIOR * (1.0 - floor)
        assert short <= allowed * (1.0 + counts[key] / MOST) + floor + 1e-6
    assert taken_j <= (1.0 + JOULES + 0.05) * best_j + 1e-6  # a tie of 2 % may go either way
