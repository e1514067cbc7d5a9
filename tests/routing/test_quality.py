"""A published figure is the mean of a model's tests, and a floor says which figures will do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_rt.core.routing import Objectives
from edge_rt.models.catalogue import EvaluatedQuality
from edge_rt.models.record import ModelRecord
from edge_rt.routing.quality import FLOORS, Floor, figure, floor_of


def model(kit: Any, *figures: float) -> ModelRecord:
    tests = {f"test-{number}": value for number, value in enumerate(figures)}
    return replace(kit.entry, quality=EvaluatedQuality(figures=tests) if tests else None)


def test_a_figure_is_the_mean_over_the_tests(kit: Any) -> None:
    assert figure(model(kit, 0.2, 0.4)) == pytest.approx(0.3)
    assert figure(model(kit)) is None


def test_a_converted_model_has_the_figure_of_its_source(kit: Any) -> None:
    source = EvaluatedQuality(figures={"arc": 0.7})
    assert figure(replace(model(kit), source_quality=source)) == 0.7
    assert figure(replace(model(kit, 0.6), source_quality=source)) == 0.6


def test_words_are_numbers() -> None:
    assert [floor_of(word) for word in ("low", "normal", "high")] == [0.25, 0.5, 0.75]
    assert floor_of(0.3) == 0.3


@pytest.mark.parametrize(
    ("smaller", "asked", "floor"),
    [(False, None, 0.5), (True, None, FLOORS["low"]), (True, 0.8, 0.8), (False, 0.1, 0.1)],
)
def test_the_usual_floor_gives_way_and_one_that_is_asked_for_holds(
    smaller: bool, asked: float | None, floor: float
) -> None:
    assert Floor("normal", lambda: smaller).now(Objectives(quality=asked)) == floor


@pytest.mark.parametrize(
    ("other", "asked", "enough"),
    [((0.4,), (0.9,), False), ((0.5,), (0.9,), True), ((0.4,), (0.4,), True), ((), (0.9,), True)],
)
def test_who_stands_in_reaches_the_floor_or_the_model_that_was_asked_for(
    kit: Any, other: tuple[float, ...], asked: tuple[float, ...], enough: bool
) -> None:
    floor = Floor("normal", lambda: False)
    short = floor.shortfall(model(kit, *other), model(kit, *asked), Objectives())
    assert (short is None) == enough
    if short is not None:
        assert short == "its figure is 0.40, and 0.50 is the least"
