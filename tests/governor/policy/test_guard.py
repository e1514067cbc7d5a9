"""The guard climbs at once, and comes down some kelvin lower."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from look_help import QUIET

from edge_rt.config.schema import GovernorConfig, Guard
from edge_rt.governor.policy.guard import STATES, GuardState, Lead, admission

TRIP_C = 80.0


@pytest.mark.parametrize(
    ("temp_c", "state"),
    [(63.9, "ok"), (64.0, "caution"), (68.0, "hold"), (77.9, "hold"), (78.0, "evacuate")],
)
def test_it_climbs_at_shares_of_the_trip_point(temp_c: float, state: str) -> None:
    assert GuardState(GovernorConfig()).update(temp_c, TRIP_C) == state


@pytest.mark.parametrize(
    ("hot_c", "still_c", "left_c", "below"),
    [(64.0, 59.0, 58.9, "ok"), (68.0, 63.0, 62.9, "caution"), (78.0, 73.0, 72.9, "hold")],
)
def test_it_leaves_a_state_five_kelvin_below(
    hot_c: float, still_c: float, left_c: float, below: str
) -> None:
    guard = GuardState(GovernorConfig())
    state = guard.update(hot_c, TRIP_C)
    assert guard.leaves_c(TRIP_C) == pytest.approx(still_c)
    assert guard.update(still_c, TRIP_C) == state
    assert guard.update(left_c, TRIP_C) == below


def test_shares_and_hysteresis_are_those_of_the_configuration() -> None:
    chosen = Guard(caution=0.5, hold=0.6, evacuate=0.7, hysteresis_c=2.0)
    guard = GuardState(GovernorConfig(guard=chosen))
    seen = [guard.update(temp_c, TRIP_C) for temp_c in (39.9, 40.0, 48.0, 56.0, 54.0, 53.9)]
    assert seen == ["ok", "caution", "hold", "evacuate", "evacuate", "hold"]


def test_it_comes_down_all_the_way_at_once() -> None:
    guard = GuardState(GovernorConfig())
    guard.update(79.0, TRIP_C)
    assert guard.update(30.0, TRIP_C) == "ok"


@pytest.mark.parametrize("seen", [(None, TRIP_C), (30.0, None), (None, None)])
def test_it_stays_while_nothing_is_known(seen: tuple[float | None, float | None]) -> None:
    guard = GuardState(GovernorConfig())
    guard.update(70.0, TRIP_C)
    assert guard.update(*seen) == "hold"


@pytest.mark.parametrize("seen", [(None, TRIP_C), (90.0, None), (None, None)])
def test_a_stop_ends_a_minute_after_the_temperature_was_lost(
    seen: tuple[float | None, float | None],
) -> None:
    guard = GuardState(GovernorConfig())
    guard.update(78.0, TRIP_C)
    assert {guard.update(*seen, dt_s=1.0) for _ in range(59)} == {"evacuate"}
    guard.update(78.0, TRIP_C, dt_s=1.0)  # read once more: the minute begins anew
    assert {guard.update(*seen, dt_s=1.0) for _ in range(59)} == {"evacuate"}
    assert {guard.update(*seen, dt_s=1.0) for _ in range(600)} == {"hold"}
    assert guard.update(78.0, TRIP_C, dt_s=1.0) == "evacuate"


@given(st.lists(st.floats(20.0, 100.0), min_size=1), st.floats(40.0, 110.0))
def test_what_it_is_holds_for_the_last_temperature(temps: list[float], trip_c: float) -> None:
    settings = GovernorConfig()
    guard = GuardState(settings)
    for temp_c in temps:
        guard.update(temp_c, trip_c)
    level, limits = STATES.index(guard.state), guard.thresholds_c(trip_c)
    assert level == 3 or temps[-1] < limits[level]
    assert level == 0 or temps[-1] >= limits[level - 1] - settings.guard.hysteresis_c


def test_only_a_stop_refuses_requests_by_itself() -> None:
    taken = [admission(state, ()) for state in ("ok", "caution", "hold", "evacuate")]
    assert taken == ["open", "open", "open", "refuse"]


def test_sacrifices_and_the_guard_do_not_soften_each_other() -> None:
    assert admission("hold", {"queue"}) == "queue"
    assert admission("hold", {"refuse"}) == admission("hold", {"queue", "refuse"}) == "refuse"
    assert admission("evacuate", {"queue"}) == "refuse"
    assert admission("ok", {"model"}) == "open"


def test_the_lead_of_the_hottest_zone_is_kept_through_noise_and_gaps() -> None:
    lead = Lead()
    for temp_c, near_c, kelvin in (
        (60.0, None, 0.0),
        (60.0, 50.0, 10.0),
        (61.5, 50.0, 10.0),
        (60.0, 51.5, 10.0),
        (None, 50.0, 10.0),
        (63.0, 50.0, 13.0),
        (60.0, 60.0, 0.0),
    ):
        lead.look(replace(QUIET, temp_c=temp_c, near_c=near_c))
        assert lead.kelvin == pytest.approx(kelvin)


def test_where_the_hottest_zone_is_when_the_board_throttles() -> None:
    """So that it can be drawn beside the trip point of another zone."""
    assert QUIET.hot_trip_c == 80.0
    assert replace(QUIET, temp_c=80.0, near_c=60.0, trip_c=70.0).hot_trip_c == 90.0
    assert replace(QUIET, temp_c=80.0, trip_c=None).hot_trip_c is None
    assert replace(QUIET, temp_c=None, near_c=60.0, trip_c=70.0).hot_trip_c == 70.0
