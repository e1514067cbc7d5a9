"""Where the small model's doubt was calibrated, it may begin what it might not do well enough."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace as changed
from test_decoding_options import CALM, Models

from edge_rt.core.routing import DecodingRequest, RouteRequest
from edge_rt.decoding.params import Gating, Mode
from edge_rt.models.doubt import DoubtCalibration, DoubtStep
from edge_rt.models.pair import Pair
from edge_rt.routing.decoding_options import ALONE, DecodingOptions, offer
from edge_rt.routing.quality.finder import Assessment, Chance
from edge_rt.routing.quality.floor import left_open, with_early

STEPS = [DoubtStep(0.1, 0.1, 0.5), DoubtStep(1.0, 0.9, 0.5)]
FOUND = DoubtCalibration(model="tiny", sha256="0" * 64, answers=80, steps=STEPS)
EARLY = DecodingRequest("switch:early")


class Knowing(Models):
    """Knows what the doubt of the small model says."""

    found: DoubtCalibration | None = FOUND

    def doubt(self, entry: Any) -> DoubtCalibration | None:
        return self.found if entry.id == "tiny" else None


@pytest.fixture
def models(kit: Any) -> Knowing:
    return Knowing(kit, Pair(large="big", small="tiny"))


def route_request(model: str = "auto", mode: DecodingRequest = DecodingRequest()) -> RouteRequest:  # noqa: B008 - a tuple
    async def write(model: str) -> str:
        return "Hi"

    return RouteRequest("cmpl-1", model, write, mode=mode)


def assessed(tiny: float | None = 0.5, big: float | None = 0.9) -> Assessment:
    both = {"tiny": tiny, "big": big}
    return Assessment(chances={id: Chance(p) for id, p in both.items() if p is not None})


def offers(
    models: Knowing,
    asked: RouteRequest,
    *,
    floor: float | None = 0.6,
    known: Assessment = assessed(),  # noqa: B008 - it is not changed
) -> dict[str, DecodingOptions]:
    large = offer(models.entry("big"), asked.mode, models, CALM, lambda *_: True)
    made = {"big": large, "tiny": DecodingOptions()}
    return with_early(made, models.entries, asked, known, floor, models)


def test_auto_may_have_the_small_model_begin(models: Knowing) -> None:
    found = offers(models, route_request())
    *others, early = found["big"].modes
    assert [one.mode.name for one in others] == ["single"]
    assert early.partner == models.entries["tiny"]
    gating = early.mode.gating
    assert gating is not None
    assert gating.name == "early"
    assert gating.threshold == pytest.approx(1.0)
    assert gating.threshold < 1.0  # from there on nine of ten are wrong
    # The small one keeps half of them, nine of ten of which are good, as are those of the large.
    assert early.kept == pytest.approx(1.0)
    assert found["tiny"] == DecodingOptions()


def test_what_the_two_keep_is_less_where_the_large_one_would_do_better(models: Knowing) -> None:
    steps = [DoubtStep(0.1, 0.4, 0.5), DoubtStep(1.0, 0.6, 0.5)]
    models.found = changed(FOUND, steps=steps)
    early = offers(models, route_request(), floor=0.55)["big"].modes[-1]
    assert early.kept == pytest.approx((0.9 - 0.5 * (0.9 - 0.6)) / 0.9)


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        (route_request("big"), {}),  # who names a model gets nothing else
        (route_request(mode=DecodingRequest("single")), {}),
        (route_request(), {"floor": None}),
        (route_request(), {"floor": 0.5}),  # which the small one reaches by itself
        (route_request(), {"floor": 0.95}),  # which it reaches with no doubt at all
        (route_request(), {"known": assessed(big=None)}),
        (route_request(), {"known": assessed(tiny=None)}),
    ],
)
def test_where_it_is_not_offered(models: Knowing, asked: RouteRequest, how: dict) -> None:
    modes = [one.mode.label for one in offers(models, asked, **how)["big"].modes]
    assert "switch:early" not in modes


def test_without_a_calibration_nothing_is_offered(models: Knowing) -> None:
    models.found = None
    assert len(offers(models, route_request())["big"].modes) == 1


def test_who_asks_for_it_gets_the_doubt_that_keeps_the_floor(models: Knowing) -> None:
    asked = route_request("big", EARLY)
    assert left_open(asked)
    [early] = offers(models, asked)["big"].modes
    assert early.mode.gating is not None
    assert early.mode.gating.threshold == pytest.approx(1.0)
    assert offers(models, asked)["tiny"].modes == (ALONE,)
    for floor, threshold in ((0.95, 0.0), (0.01, 100.0)):
        [early] = offers(models, asked, floor=floor)["big"].modes
        assert early.mode.gating.threshold == threshold


def test_a_threshold_that_is_asked_for_stays(models: Knowing) -> None:
    asked = route_request("big", DecodingRequest("switch:early", threshold=0.3, first=4))
    assert not left_open(asked)
    [early] = offers(models, asked)["big"].modes
    assert early.mode == Mode("switch", "tiny", gating=Gating("early", 0.3, None, 4))
