"""What was worked out once stays right, whatever is learnt in between."""

from __future__ import annotations

from dataclasses import dataclass

from calibrated import HARDWARE, SMOL, calibration
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.routing import Served
from edge_rt.energy.calibration.record import ModelCalibration
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
