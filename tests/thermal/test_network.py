"""The heat path keeps the books of heat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_board import steady

from edge_rt.thermal.network import EulerStep, Network, Pair

amounts = st.floats(0.1, 100.0)
powers = st.floats(0.0, 100.0)
fans = st.floats(0.0, 1.0)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    both = st.tuples(amounts, amounts)
    gain, air_c = draw(st.floats(0.0, 5.0)), draw(st.floats(-20.0, 60.0))
    return Network(draw(both), draw(both), gain, air_c, draw(st.floats(0.0, 5.0)))


@given(networks(), powers, fans)
def test_the_steady_state_is_the_air_plus_resistance_times_power(
    network: Network, power_w: float, fan: float
) -> None:
    outer_w = min(network.outer_w, power_w)
    inner = network.resistances_c_per_w[0]
    expected_c = network.ambient_c + network.resistance_c_per_w(fan) * power_w - inner * outer_w
    assert steady(network, power_w, fan)[0] == pytest.approx(expected_c)


@given(networks(), powers, fans, st.floats(0.01, 1e6))
def test_the_steady_state_stays(network: Network, power_w: float, fan: float, dt_s: float) -> None:
    temps = steady(network, power_w, fan)
    after = network.advance(network.step(dt_s, fan), temps, power_w)
    assert after == pytest.approx(temps, abs=1e-6)


@given(networks(), powers, fans)
def test_every_start_ends_there(network: Network, power_w: float, fan: float) -> None:
    temps, step = (0.0, 0.0), network.step(1e6, fan)
    for _ in range(20):
        temps = network.advance(step, temps, power_w)
    assert temps == pytest.approx(steady(network, power_w, fan), abs=1e-3)


@given(networks(), powers, fans, st.floats(0.01, 100.0))
def test_what_flows_in_is_stored_or_lost(
    network: Network, power_w: float, fan: float, dt_s: float
) -> None:
    before = (30.0, 35.0)
    after = network.advance(network.step(dt_s, fan), before, power_w)
    stored_j = sum(
        c * (new - old)
        for c, new, old in zip(network.capacities_j_per_c, after, before, strict=True)
    )
    lost_w = network.to_air_w_per_c(fan) * (after[-1] - network.ambient_c)
    assert stored_j / dt_s + lost_w == pytest.approx(power_w, abs=1e-6)


@given(networks(), powers, st.floats(0.1, 10.0), fans)
def test_more_power_is_hotter_and_more_fan_cooler(
    network: Network, power_w: float, more_w: float, fan: float
) -> None:
    temps = steady(network, power_w, fan)
    step = network.step(1.0, fan)
    calm, busy = (network.advance(step, temps, p) for p in (power_w, power_w + more_w))
    assert all(b > c for b, c in zip(busy, calm, strict=True))
    assert network.resistance_c_per_w(fan) <= network.resistance_c_per_w(0.0)


@given(networks(), fans, st.floats(-100.0, 100.0), st.floats(-100.0, 100.0))
def test_the_step_solves_its_equations(
    network: Network, fan: float, chip: float, outer: float
) -> None:
    step = network.step(1.0, fan)
    found = _product(step, step.solve(chip, outer))
    assert found == pytest.approx((chip, outer), rel=1e-6, abs=1e-6)


def _product(step: EulerStep, temps: Pair) -> Pair:
    flow_w = step.link * (temps[0] - temps[1])
    lost_w = step.to_air * temps[1]
    return step.rates[0] * temps[0] + flow_w, step.rates[1] * temps[1] - flow_w + lost_w
