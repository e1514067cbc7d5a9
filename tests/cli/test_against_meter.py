"""`calibrate --meter` compares the sensors with a meter that a person reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_rt.cli import against_meter
from edge_rt.cli.against_meter import MeterComparison, MeterReading, compare, fitted
from edge_rt.cli.exits import CommandFailure

BOARD = "/edge/v1/board"


def told(power_w: float | None, **more: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"supply": {"power_w": power_w, "quality": "measured", **more}}


class Person:
    """Reads a meter that is 20 % and 2 W above the sensors, of which each reading has a figure."""

    def __init__(self, daemon: Any, *sensors_w: float, **more: Any) -> None:
        self.daemon, self.left, self.more = daemon, list(sensors_w), more
        self.asked: list[str] = []
        daemon.documents[BOARD] = told(1.0, **more)

    def __call__(self, text: str) -> float:
        self.asked.append(text)
        now_w = self.left.pop(0)
        self.daemon.documents[BOARD] = told(now_w, **self.more)
        return 1.2 * now_w + 2.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against_meter, "_LOOK_S", 0.01)


def test_the_line_through_the_readings() -> None:
    found = fitted(
        [
            MeterReading(2.0, 4.4),
            MeterReading(6.0, 9.2),
            MeterReading(2.0, 4.6),
            MeterReading(6.0, 9.0),
        ]
    )
    assert (found.scale, found.offset_w) == pytest.approx((1.15, 2.2))
    assert found.errors_w == pytest.approx([-0.1, 0.1, 0.1, -0.1])


def test_a_meter_that_reads_less_than_nothing_at_rest_gets_no_offset() -> None:
    found = fitted([MeterReading(2.0, 2.0), MeterReading(6.0, 6.6)])
    assert found.offset_w == 0.0
    assert found.scale == pytest.approx((4.0 + 39.6) / 40.0)


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([MeterReading(3.0, 4.0), MeterReading(3.2, 9.0)], "look alike"),
        ([MeterReading(2.0, 9.2), MeterReading(6.0, 4.4)], "in the order"),
        ([MeterReading(2.0, 1.0), MeterReading(4.0, 20.0)], "in the order"),
    ],
)
def test_readings_that_cannot_be_right_are_refused(pairs: list[MeterReading], why: str) -> None:
    with pytest.raises(CommandFailure, match=why):
        fitted(pairs)


def test_rest_and_work_are_read_by_turns(daemon: Any) -> None:
    person = Person(daemon, 2.0, 6.0, 2.0)
    found = compare(daemon.path, 3, None, person)
    said = [text.split(",")[0] for text in person.asked]
    assert said == ["1. At rest", "2. At work", "3. At rest"]
    assert (found.scale, found.offset_w) == pytest.approx((1.2, 2.0))
    assert {path for path, _ in daemon.asked} == {"/v1/completions"}


def test_a_correction_that_is_in_force_is_taken_off(daemon: Any) -> None:
    person = Person(daemon, 2.0, 12.0, meter={"scale": 2.0, "offset_w": 1.0})
    found = compare(daemon.path, 2, None, person)
    rest, work = (pair.sensors_w for pair in found.pairs)
    assert (rest, work) == (0.5, 5.5)


def test_without_a_sensor_nothing_is_asked(daemon: Any) -> None:
    person = Person(daemon, 1.0)
    daemon.documents[BOARD] = told(None)
    with pytest.raises(CommandFailure, match="No sensor"):
        compare(daemon.path, 2, None, person)
    assert person.asked == []


def test_what_was_found_is_printed_for_the_configuration(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = MeterComparison(1.2, 2.0, [MeterReading(2.0, 4.4), MeterReading(6.0, 9.2)], [0.0, 0.0])
    monkeypatch.setattr("edge_rt.cli.commands.calibrate.compare", lambda *_: found)
    printed = "sensors:\n  meter: {scale: 1.2, offset_w: 2.0}\n"
    assert cli("calibrate", "--meter", "2").stdout == printed
    told = json.loads(cli("calibrate", "--meter", "2", "--json").stdout)
    assert told["scale"] == 1.2
    assert told["pairs"][1] == {"sensors_w": 6.0, "meter_w": 9.2}
    assert cli("calibrate", "--meter", "2", "--quick").exit_code == 2
    assert cli("calibrate", "--meter", "1").exit_code == 2
