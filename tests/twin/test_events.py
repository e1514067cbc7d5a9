"""Events are told in one line each, and hold while they should."""

from __future__ import annotations

import math

import pytest

from edge_rt.twin.run import Event, Script


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("ambient@60=40", Event("ambient", 60.0, math.inf, 40.0)),
        ("ambient@0.5+10=-5.5", Event("ambient", 0.5, 10.5, -5.5)),
        ("fan-failure@30+20", Event("fan-failure", 30.0, 50.0)),
    ],
)
def test_the_short_form(text: str, event: Event) -> None:
    assert Event.parse(text) == event


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("fire@1", "no kind of event"),
        ("ambient", "no event"),
        ("ambient@1", "needs a temperature"),
        ("ambient@1=-60.5", "from -60 to 125"),
        ("ambient@1=" + "9" * 400, "from -60 to 125"),
        ("undervoltage@1=3", "has no value"),
        ("fan-failure@1:fan", "no event"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Event.parse(text)


def script(*texts: str) -> Script:
    return Script([Event.parse(text) for text in texts], 25.0)


def test_conditions_hold_between_start_and_end() -> None:
    told = script("ambient@10=40", "ambient@20+10=0", "fan-failure@5+5", "undervoltage@1+1")
    assert [told.conditions(t).ambient_c for t in (0, 10, 20, 29.9, 30)] == [25, 40, 0, 0, 40]
    assert [told.conditions(t).fan_works for t in (4.9, 5, 10)] == [True, False, True]
    assert [told.conditions(t).under_voltage for t in (0.9, 1, 2)] == [False, True, False]
