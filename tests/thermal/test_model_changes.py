"""When a simulated board changes, its model says that it is wrong, and learns anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchlib.heat_forecasts import Look, score
from watch import Watch

from edge_rt.twin.plant import Conditions

PI, ORIN = "raspberry-pi-5", "jetson-orin-nano-8gb"
HORIZON_S = 30.0
boards = pytest.mark.parametrize("name", [PI, ORIN])
CHANGE_S = 600.0


@pytest.mark.parametrize(
    "after",
    [Conditions(38.0), Conditions(35.0, fan_works=False), Conditions(15.0)],
    ids=["hotter air", "the fan dies", "colder air"],
)
@boards
def test_when_the_board_changes_it_says_so_and_learns_anew(name: str, after: Conditions) -> None:
    def weather(time_s: float) -> Conditions:
        return Conditions(35.0 if after.ambient_c == 35.0 else 25.0) if time_s < CHANGE_S else after

    watch = Watch(name, 1200.0, weather)
    assert watch.share_believed(CHANGE_S - 200.0, CHANGE_S) > 0.8
    assert watch.share_believed(CHANGE_S, CHANGE_S + 120.0) < 0.9
    assert watch.share_believed(CHANGE_S + 300.0) > 0.9
    scored = score(watch.outcomes, HORIZON_S, since_s=CHANGE_S + 180.0)
    assert scored.mae_k <= 0.5
    assert scored.covered >= 0.9


def test_a_fan_that_is_seen_to_stand_still_needs_no_belief_lost() -> None:
    """Its drive is 0 then, and what the board does without it is known or soon learnt."""

    def weather(time_s: float) -> Conditions:
        return Conditions(35.0, fan_works=time_s < CHANGE_S)

    def seen(_: int, look: Look) -> Look:
        return look if look.time_s < CHANGE_S else replace(look, fan=0.0)

    watch = Watch(PI, 1200.0, weather, mangle=seen)
    told = score(watch.outcomes, HORIZON_S, since_s=CHANGE_S, until_s=CHANGE_S + 120.0)
    blind = score(
        Watch(PI, 1200.0, weather).outcomes,
        HORIZON_S,
        since_s=CHANGE_S,
        until_s=CHANGE_S + 120.0,
    )
    assert told.mae_k < 0.7 * blind.mae_k
