"""What was worked out once stays right, whatever is learnt in between."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from calibrated import HARDWARE, SMOL, calibration
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.routing import Served
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.history import PredictionHistory
from edge_rt.energy.prediction.predictor import Predictor

MODELS, THREADS = ("a", "b", "c"), (1, 2, 4)


@dataclass(frozen=True)
class Known:
    """A model becomes known, calibrated for so many numbers of threads."""

    model: str
    calibrations: int

    def found(self) -> list[ModelCalibration]:
        return [calibration(model=self.model, threads=t) for t in THREADS[: self.calibrations]]

    def happens(self, predictor: Predictor) -> None:
        predictor.know(self.model, SMOL, self.found())


@dataclass(frozen=True)
class Answered:
    """A model answered."""

    model: str
    threads: int
    seconds: float
    energy_j: float | None

    def happens(self, predictor: Predictor) -> None:
        served = Served(100, 0, 50, self.seconds, self.seconds, self.energy_j)
        predictor.learn(self.model, self.threads, served)


models = st.sampled_from(MODELS)
events = st.builds(Known, models, st.sampled_from((0, 1, 3))) | st.builds(
    Answered,
    models,
    st.sampled_from(THREADS),
    st.floats(0.01, 100.0),
    st.none() | st.floats(0.01, 100.0),
)


def predictions(predictor: Predictor) -> list[object]:
    return [predictor.predict(m, t, 100, 10, 50) for m in MODELS for t in THREADS]


@given(st.lists(events, max_size=12))
def test_predictions_do_not_depend_on_what_was_predicted_before(
    happened: list[Known | Answered],
) -> None:
    asked, silent = Predictor(HARDWARE), Predictor(HARDWARE)
    for event in happened:
        predictions(asked)
        for predictor in (asked, silent):
            event.happens(predictor)
    assert predictions(asked) == predictions(silent)


@given(st.lists(events, max_size=12))
def test_what_was_learnt_survives_a_restart(happened: list[Known | Answered]) -> None:
    before, after = Predictor(HARDWARE), Predictor(HARDWARE)
    known: dict[str, Known] = {}
    for event in happened:
        event.happens(before)
        if isinstance(event, Known):
            known[event.model] = event
    for model, event in known.items():
        kept = msgspec.json.encode(before.learnt(model))
        again = msgspec.json.decode(kept, type=list[PredictionHistory])
        after.know(model, SMOL, event.found(), again)
    assert predictions(after) == predictions(before)


def test_what_was_learnt_of_another_model_is_left_out() -> None:
    predictor = Predictor(HARDWARE)
    predictor.know("a", SMOL, (), [PredictionHistory(model="b", threads=1, prefill=[1.0])])
    assert predictor.learnt("a") == predictor.learnt("b") == []


def test_figures_that_cannot_be_are_left_out_of_what_was_kept() -> None:
    predictor = Predictor(HARDWARE)
    broken = PredictionHistory(model="a", threads=1, prefill=[1e9, 0.5], seconds=[-1.0, 0.2])
    predictor.know("a", SMOL, (), [broken])
    (kept,) = predictor.learnt("a")
    assert kept.prefill == [0.5]
    assert kept.seconds == [0.2]
