"""The ladder keeps the books of heat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_board import steady

from edge_rt.thermal.network import LadderSolver, Network

amounts = st.floats(0.1, 100.0)
powers = st.floats(0.0, 100.0)
fans = st.floats(0.0, 1.0)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    count = draw(st.integers(1, 3))
    several = st.lists(amounts, min_size=count, max_size=count).map(tuple)
    gain, air_c = draw(st.floats(0.0, 5.0)), draw(st.floats(-20.0, 60.0))
    return Network(draw(several), draw(several), gain, air_c, draw(st.floats(0.0, 5.0)))


@given(networks(), powers, fans)
def test_the_steady_state_is_the_air_plus_resistance_times_power(
    network: Network, power_w: float, fan: float
) -> None:
    outer_w = min(network.outer_w, power_w)
    inner = network.resistances_c_per_w[0] if len(network.capacities_j_per_c) > 1 else 0.0
    expected_c = network.ambient_c + network.resistance_c_per_w(fan) * power_w - inner * outer_w
    assert steady(network, power_w, fan)[0] == pytest.approx(expected_c)


@given(networks(), powers, fans, st.floats(0.01, 1e6))
def test_the_steady_state_stays(network: Network, power_w: float, fan: float, dt_s: float) -> None:
    temps = steady(network, power_w, fan)
    after = network.advance(network.chain(dt_s, fan), temps, power_w)
    assert after == pytest.approx(temps, abs=1e-6)


@given(networks(), powers, fans)
def test_every_start_ends_there(network: Network, power_w: float, fan: float) -> None:
    temps, chain = [0.0] * len(network.capacities_j_per_c), network.chain(1e6, fan)
    for _ in range(20):
        temps = network.advance(chain, temps, power_w)
    assert temps == pytest.approx(steady(network, power_w, fan), abs=1e-3)


@given(networks(), powers, fans, st.floats(0.01, 100.0))
def test_what_flows_in_is_stored_or_lost(
    network: Network, power_w: float, fan: float, dt_s: float
) -> None:
    before = [30.0 + 5.0 * node for node in range(len(network.capacities_j_per_c))]
    after = network.advance(network.chain(dt_s, fan), before, power_w)
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
    chain = network.chain(1.0, fan)
    calm, busy = (network.advance(chain, temps, p) for p in (power_w, power_w + more_w))
    assert all(b > c for b, c in zip(busy, calm, strict=True))
    assert network.resistance_c_per_w(fan) <= network.resistance_c_per_w(0.0)


@given(networks(), fans, st.lists(st.floats(-100.0, 100.0), min_size=3, max_size=3))
def test_the_chain_solves_its_equations(network: Network, fan: float, right: list[float]) -> None:
    chain = network.chain(1.0, fan)
    size = len(chain.rates)
    found = chain.solve(right[:size])
    assert _product(chain, found) == pytest.approx(right[:size], rel=1e-6, abs=1e-6)


def _product(chain: LadderSolver, temps: list[float]) -> list[float]:
    flows = [rate * temp for rate, temp in zip(chain.rates, temps, strict=True)]
    flows[-1] += chain.to_air * temps[-1]
    for node, link in enumerate(chain.links):
        flow_w = link * (temps[node] - temps[node + 1])
        flows[node] += flow_w
        flows[node + 1] -= flow_w
    return flows
