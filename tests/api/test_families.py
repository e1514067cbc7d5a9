"""What is felt has its series, what is missing has none, and no report breaks the page."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge_rt.api.families import KINDS
from edge_rt.board.readers.base import Kind
from edge_rt.core.reports.board import RailEnergy, Supply

ODD = ['a "quoted" one', "two\nlines", "back\\slash", 'end\\"', "", "{}=,", "°C", "\r", "\u2028"]


def series(client) -> dict[tuple, float]:
    """Every series of the board; fails where one comes twice."""
    response = client.get("/metrics")
    assert response.status == 200
    found: dict[tuple, float] = {}
    for family in text_string_to_metric_families(response.body.decode()):
        for sample in family.samples:
            key = (sample.name.removeprefix("edge_rt_"), *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def named(client, name: str) -> dict[tuple, float]:
    """The series of one name, by its labels' values in the order of the labels' names."""
    found = series(client).items()
    return {tuple(v for _, v in labels): value for (n, *labels), value in found if n == name}


@pytest.mark.parametrize(
    ("kind", "name", "labels"),
    [
        ("power_w", "rail_power_watts", ("measured", "a name")),
        ("voltage_v", "rail_voltage_volts", ("a name",)),
        ("current_a", "rail_current_amperes", ("a name",)),
        ("temp_c", "zone_temperature_celsius", ("a name",)),
        ("clock_hz", "clock_hertz", ("a name",)),
        ("flag", "board_flag", ("a name",)),
        ("fraction", "board_ratio", ("a name",)),
        ("bytes", "board_bytes", ("a name",)),
        ("rpm", "fan_rpm", ("a name",)),
        ("count", "board_events_total", ("a name",)),
    ],
)
def test_each_kind_has_a_name_of_its_own(client, service, script, kind, name, labels):
    service.snapshot = script.report(channels=[script.channel("a name", kind, 0.5)])
    assert named(client, name) == {labels: 0.5}
    service.snapshot = script.report(channels=[script.channel("a name", kind, None, last=0.5)])
    assert named(client, name) == {}


def test_every_kind_of_the_sensors_is_known():
    assert set(get_args(Kind)) - set(KINDS) == {"energy_j"}  # these are the report's energies


def test_an_unknown_kind_is_left_out(client, service, script):
    service.snapshot = script.report(channels=[script.channel("x", "smell", 1.0)])
    assert named(client, "sensor_missing") == {("smell", "x", "a reader"): 0}


def test_what_is_modelled_says_so(client, service, script):
    model = script.channel("board", "power_w", 3.0, quality="modelled")
    service.snapshot = script.report(channels=[model])
    assert named(client, "rail_power_watts") == {("modelled", "board"): 3.0}


def test_supply(client, service, script):
    at = ("module", "measured")
    assert named(client, "supply_power_watts") == {at: 6.5}
    assert named(client, "supply_energy_joules_total") == {at: 650.0}
    assert named(client, "supply_missing_seconds_total") == {at: 2.5}
    blind = Supply(["VDD_IN"], "module", "measured", None, 3.5, 650.0, 100.0, 2.5)
    service.snapshot = script.report(supply=blind)
    assert named(client, "supply_power_watts") == {}
    assert named(client, "supply_energy_joules_total") == {at: 650.0}
    service.snapshot = script.report(supply=None)
    assert not [name for name, *_ in series(client) if name.startswith("supply")]


def test_energies(client):
    assert named(client, "rail_energy_joules_total") == {("modelled", "VDD_IN"): 650.0}
    assert named(client, "rail_missing_seconds_total") == {("VDD_IN",): 2.5}


@pytest.mark.parametrize("simulated", [False, True])
def test_the_board_is_named_and_a_simulated_one_told(client, service, script, simulated):
    service.snapshot = script.report(simulated=simulated)
    at = ("jetson-orin-nano", "exact", str(simulated).lower())
    assert named(client, "board_info") == {at: 1}


def test_missing_channels_are_told(client, service, script):
    gone = script.channel("gpu", "temp_c", None, last=50.0)
    service.snapshot = script.report(channels=[script.channel("cpu", "temp_c", 51.5), gone])
    assert named(client, "sensor_missing") == {
        ("temp_c", "cpu", "a reader"): 0,
        ("temp_c", "gpu", "a reader"): 1,
    }


def test_of_two_readers_with_the_same_channel_the_first_is_meant(client, service, script):
    def twice(first: float | None) -> list:
        other = script.channel("cpu", "temp_c", 60.0, reader="another")
        return [script.channel("cpu", "temp_c", first), other, script.channel("cpu", "flag", 1.0)]

    twins = [
        RailEnergy("VDD_IN", "measured", 1.0, 1.0, 0.0),
        RailEnergy("VDD_IN", "measured", 2.0, 1.0, 0.0),
    ]
    service.snapshot = script.report(channels=twice(51.5), energies=twins)
    assert named(client, "zone_temperature_celsius") == {("cpu",): 51.5}
    assert named(client, "rail_energy_joules_total") == {("measured", "VDD_IN"): 1.0}
    service.snapshot = script.report(channels=twice(None))
    assert named(client, "zone_temperature_celsius") == {}


@pytest.mark.parametrize("name", ODD)
def test_odd_names_come_through(client, service, script, name):
    service.snapshot = script.report(
        channels=[script.channel(name, "temp_c", 50.0, reader=name)],
        energies=[RailEnergy(name, "measured", 1.0, 1.0, 0.0)],
        supply=Supply([name], name, "measured", 1.0, None, 1.0, 1.0, 0.0),
    )
    assert named(client, "zone_temperature_celsius") == {(name,): 50.0}
    assert named(client, "rail_energy_joules_total") == {("measured", name): 1.0}
    assert named(client, "supply_power_watts") == {(name, "measured"): 1.0}


@settings(
    max_examples=settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), max_size=3),
            st.sampled_from(get_args(Kind)),
            st.none() | st.floats(),
            st.sampled_from(["one", "two"]),
        )
    )
)
def test_no_channels_make_a_page_that_cannot_be_read(client, service, script, found):
    channels = [script.channel(n, kind, value, reader=r) for n, kind, value, r in found]
    service.snapshot = script.report(channels=channels)
    expected = {(n, kind) for n, kind, _, _ in found}
    assert len(named(client, "sensor_missing")) == len(expected)


def test_a_report_that_fails_leaves_the_other_metrics(client, service, script, caplog):
    client.chat()
    service.snapshot = ZeroDivisionError("no report")
    for _ in range(3):
        names = {name for name, *_ in series(client)}
        assert "requests_total" in names
        assert "sensor_missing" not in names
    assert len(caplog.records) == 1  # not at each scrape
    service.snapshot = script.report()
    assert named(client, "sensor_missing")
    service.snapshot = ZeroDivisionError("again")
    series(client)
    assert len(caplog.records) == 2
