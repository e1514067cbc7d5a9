"""What the governor allows has its series, what is not capped or known has none."""

from __future__ import annotations

import re

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_rt.api.families import governor_families

UNITS = ("watts", "celsius", "joules", "seconds", "ratio", "threads", "tokens")


def series(client) -> dict[tuple, float]:
    """Every series of the page by name and the values of its labels."""
    response = client.get("/metrics")
    assert response.status == 200
    return {
        (sample.name.removeprefix("edge_rt_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget_power_watts", 8.0),
        ("budget_temperature_celsius", 70.0),
        ("budget_energy_joules", 50_000.0),
        ("budget_spent_joules", 12_000.0),
        ("budget_left_seconds", 7200.0),
        ("allowance_watts", 7.8),
        ("predicted_watts", 7.7),
        ("forecast_temperature_celsius", 66.2),
        ("forecast_band_celsius", 1.4),
        ("forecast_horizon_seconds", 30.0),
        ("forecast_trusted", 1.0),
        ("guard_seconds", 95.0),
        ("limit_threads", 2.0),
        ("limit_duty_ratio", 0.6),
        ("limit_prompt_tokens", 24.0),
    ],
)
def test_figures(client, name, value):
    assert series(client)[(name,)] == value


def test_what_is_not_known_has_no_series(client, service, script):
    caps = msgspec.structs.replace(
        script.governor().budget, power_w=None, temp_c=None, energy_j=None
    )
    limits = msgspec.structs.replace(script.governor().limits, duty=0.0, prefill_chunk=None)
    unknown = dict.fromkeys(
        ("allowance_w", "predicted_w", "forecast_c", "band_c", "guard_in_s", "spent_j")
    )
    service.governor = script.governor(
        budget=caps, limits=limits, period_left_s=None, held_back_s={}, trusted=False, **unknown
    )
    heads = ("budget", "allow", "predict", "forecast", "guard", "limit", "admission", "held")
    found = {key: value for key, value in series(client).items() if key[0].startswith(heads)}
    assert {key for key in found if key[0] not in ("guard_state", "admission_state")} == {
        ("forecast_horizon_seconds",),
        ("forecast_trusted",),
        ("limit_threads",),
        ("limit_duty_ratio",),
    }
    assert found[("limit_duty_ratio",)] == 0.0  # known, and nothing
    assert found[("forecast_trusted",)] == 0.0


@pytest.mark.parametrize("guard", ["ok", "caution", "hold", "evacuate"])
def test_one_state_of_the_guard_is_on(client, service, script, guard):
    service.governor = script.governor(guard=guard)
    states = {key[1]: value for key, value in series(client).items() if key[0] == "guard_state"}
    assert states == {s: float(s == guard) for s in ("ok", "caution", "hold", "evacuate")}


@pytest.mark.parametrize("admission", ["open", "queue", "refuse"])
def test_one_state_of_the_admission_is_on(client, service, script, admission):
    limits = msgspec.structs.replace(script.governor().limits, admission=admission)
    service.governor = script.governor(limits=limits)
    states = {k[1]: value for k, value in series(client).items() if k[0] == "admission_state"}
    assert states == {s: float(s == admission) for s in ("open", "queue", "refuse")}


def test_seconds_held_back_are_counted_by_cause(client, service, script):
    service.governor = script.governor(held_back_s={"power_w": 12.5, "temp_c": 0.4})
    found = series(client)
    assert found[("held_back_seconds_total", "power_w")] == 12.5
    assert found[("held_back_seconds_total", "temp_c")] == 0.4


def test_names_follow_prometheus_conventions(script):
    for family in governor_families(script.governor()):
        assert re.fullmatch(r"edge_rt_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith(".")
        told = family.name.endswith(("_state", "_trusted"))
        assert told or family.name.endswith(UNITS)
        assert all(s.name.endswith("_total") == (family.type == "counter") for s in family.samples)


def test_a_governor_that_fails_leaves_the_other_metrics(client, service, script, caplog):
    client.chat()
    service.governor = ZeroDivisionError("no state")
    for _ in range(3):
        names = {key[0] for key in series(client)}
        assert "requests_total" in names
        assert "guard_state" not in names
    assert len(caplog.records) == 1  # not at each scrape
    service.governor = script.governor()
    assert ("allowance_watts",) in series(client)
    service.governor = ZeroDivisionError("again")
    series(client)
    assert len(caplog.records) == 2
