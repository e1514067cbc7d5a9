"""The plant keeps the books of energy, grows with load and heat, and holds itself back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import BOARDS, parameters_of, plant_of, shape_of

from edge_rt.twin.plant import Conditions

pytestmark = pytest.mark.slow  # hours of simulated time

HOUR_S = 3600.0


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_steady_state_is_ambient_plus_resistance_times_power(name: str, share: float) -> None:
    # Without a fan, which would go on and off for ever.
    known, plant = parameters_of(name, fan_gain=0.0), plant_of(name, fan_gain=0.0)
    for _ in range(200):
        state = plant.step(100.0, share * shape_of(name).cores)
    outer = known.resistances_c_per_w[-1]
    assert state.throttle_state == 0
    assert state.temps_c[-1] == pytest.approx(25.0 + outer * state.total_w, abs=0.05)
    chip_w = state.total_w - known.static_w
    assert state.chip_c - state.temps_c[1] == pytest.approx(
        known.resistances_c_per_w[0] * chip_w, abs=0.05
    )


@pytest.mark.parametrize("name", BOARDS)
def test_rails_of_the_first_total_sum_to_the_power(name: str) -> None:
    board = BOARDS[name]
    state = plant_of(name).step(1.0, 1.5)
    if board.totals:
        total_w = sum(state.rails_w[label] for label in board.totals[0].rails)
        assert total_w == pytest.approx(state.total_w)
    for label, rail in board.rails.items():
        if rail.part_of is not None:
            assert state.rails_w[label] <= state.rails_w[rail.part_of]


def test_energy_is_the_integral_of_power() -> None:
    plant, total_j = plant_of("raspberry-pi-5"), 0.0
    for step in range(200):
        state = plant.step(0.1, step % 5)
        total_j += 0.1 * state.total_w
    assert sum(state.energies_j.values()) == pytest.approx(total_j)
    assert state.time_s == pytest.approx(20.0)


@settings(max_examples=30)
@given(
    name=st.sampled_from(sorted(BOARDS)),
    seed=st.integers(0, 50),
    share=st.floats(0.0, 0.99),
    more=st.floats(0.05, 4.0),
)
def test_more_work_is_more_power_and_heat(name: str, seed: int, share: float, more: float) -> None:
    calm, busier = plant_of(name, seed), plant_of(name, seed)
    busy = share * shape_of(name).cores  # work beyond all cores cannot be told from all of them
    for _ in range(5):
        first, second = calm.step(2.0, busy), busier.step(2.0, busy + more)
    assert second.total_w > first.total_w
    assert second.chip_c > first.chip_c


def test_leakage_grows_with_heat_and_doubles_as_drawn() -> None:
    known = parameters_of("raspberry-pi-4b", leakage_w=1.0, doubling_c=20.0)
    powers = [
        plant_of("raspberry-pi-4b", ambient_c=c, leakage_w=1.0, doubling_c=20.0).step(1e-9, 0.0)
        for c in (25.0, 45.0, 65.0)
    ]
    leaks = [state.total_w - known.static_w for state in powers]
    assert leaks[1] == pytest.approx(2 * leaks[0], rel=1e-6)
    assert leaks[2] == pytest.approx(2 * leaks[1], rel=1e-6)


def test_the_same_seed_and_load_give_the_same_states() -> None:
    def run(seed: int) -> list[object]:
        plant = plant_of("jetson-agx-orin-64gb", seed)
        return [plant.step(0.1 + 0.01 * n, n % 12) for n in range(50)]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_the_result_hardly_depends_on_the_step() -> None:
    fine, coarse = plant_of("raspberry-pi-5"), plant_of("raspberry-pi-5")
    for _ in range(600):
        slow = fine.step(0.1, 2.0)
    for _ in range(12):
        fast = coarse.step(5.0, 2.0)
    assert fast.chip_c == pytest.approx(slow.chip_c, abs=0.3)


def test_a_lower_limit_saves_power_and_shows_in_the_clocks() -> None:
    name = "jetson-orin-nano-8gb"
    free, held = plant_of(name), plant_of(name)
    limits = (0.7e9, 0.7e9)
    first, second = free.step(1.0, 6.0), held.step(1.0, 6.0, limits_hz=limits)
    assert second.clocks_hz == limits
    assert first.clocks_hz == (1.5e9, 1.5e9)
    assert second.total_w < first.total_w


def test_busy_cores_beyond_the_board_count_as_all_of_them() -> None:
    assert plant_of("raspberry-pi-5").step(1.0, 99.0).busy_cores == 4.0


def test_the_board_throttles_when_hot_and_recovers_when_cool() -> None:
    plant, hot = plant_of("raspberry-pi-5"), Conditions(60.0, fan_works=False)
    top_hz = shape_of("raspberry-pi-5").top_hz
    free = plant.step(1.0, 4.0, hot)
    assert free.cap_hz == top_hz
    while plant.step(1.0, 4.0, hot).throttle_state == 0:
        assert plant.time_s < HOUR_S
    throttled = plant.step(60.0, 4.0, hot)
    assert throttled.chip_c >= 75.0
    assert throttled.cap_hz < top_hz
    assert max(throttled.clocks_hz) == throttled.cap_hz
    while (state := plant.step(10.0, 0.0, Conditions(20.0))).throttle_state > 0:
        assert plant.time_s < 2 * HOUR_S
    assert state.chip_c < 75.0
    assert not state.off


def test_a_failed_fan_makes_it_hotter() -> None:
    good, bad = plant_of("raspberry-pi-5"), plant_of("raspberry-pi-5")
    for _ in range(30):
        cool, warm = good.step(100.0, 4.0), bad.step(100.0, 4.0, Conditions(fan_works=False))
    assert warm.chip_c > cool.chip_c + 5.0


def test_a_sagging_supply_caps_a_pi_and_lowers_a_jetson_s_input() -> None:
    sag = Conditions(under_voltage=True)
    pi = plant_of("raspberry-pi-5").step(1.0, 4.0, sag)
    assert max(pi.clocks_hz) == shape_of("raspberry-pi-5").steps_hz[-1]
    assert pi.throttle_state == 0
    jetson = plant_of("jetson-orin-nano-8gb").step(1.0, 4.0, sag)
    assert jetson.voltages_v["VDD_IN"] == pytest.approx(4.6)


def test_a_board_that_gets_too_hot_switches_off() -> None:
    plant = plant_of("jetson-nano-4gb")
    assert plant.step(1.0, 4.0, Conditions(150.0)).off is False
    state = plant.step(3600.0, 4.0, Conditions(150.0))
    assert state.off is True
    assert state.total_w == 0.0
