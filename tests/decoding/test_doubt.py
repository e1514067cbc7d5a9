"""How unsure a model was of an answer's beginning is the most at one of its first tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_rt.decoding.distribution import DoubtMeter, LogitsView
from edge_rt.decoding.params import Doubt


def seen(*probabilities: float) -> LogitsView:
    with np.errstate(divide="ignore"):
        return LogitsView(np.log(np.array(probabilities, np.float32)))


def test_it_is_the_most_at_one_of_the_first_tokens() -> None:
    meter = DoubtMeter(3)
    assert (meter.doubt, meter.complete) == (None, False)
    meter.look(seen(0.5, 0.5, 0.0))
    assert meter.doubt == Doubt(1, pytest.approx(math.log(2)), pytest.approx(0.0, abs=1e-6))
    meter.look(seen(1.0, 0.0, 0.0))
    assert meter.doubt == Doubt(2, pytest.approx(math.log(2)), pytest.approx(0.0, abs=1e-6))
    assert not meter.complete
    meter.look(seen(0.25, 0.25, 0.5))
    doubt = meter.doubt
    assert doubt == Doubt(3, pytest.approx(1.5 * math.log(2)), pytest.approx(0.0, abs=1e-6))
    assert meter.complete
    meter.look(seen(*[0.25] * 4))
    assert meter.doubt == doubt


def test_the_margin_is_between_the_two_likeliest() -> None:
    assert seen(0.1, 0.6, 0.3).margin == pytest.approx(0.3)
    assert seen(1.0).margin == 1.0
    assert LogitsView(np.array([np.nan, 0.0], np.float32)).margin == 1.0


def test_the_score_grows_with_doubt() -> None:
    views = [seen(0.98, 0.01, 0.01), seen(0.7, 0.2, 0.1), seen(0.5, 0.4, 0.1), seen(*[1 / 3] * 3)]
    scores: list[float] = []
    for view in views:
        meter = DoubtMeter()
        meter.look(view)
        assert meter.doubt is not None
        scores.append(meter.doubt.score)
    assert scores == sorted(scores)
