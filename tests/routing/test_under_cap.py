"""Under a cap the first way is taken that needs no pause, and none that loses more than it may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from route_help import prediction

from edge_rt.core.decoding import Gating, Made, Mode
from edge_rt.core.routing import Objectives, Prediction, Served, Unpredicted
from edge_rt.models.catalogue import EvaluatedQuality
from edge_rt.models.record import ModelRecord
from edge_rt.routing.quality import Floor
from edge_rt.routing.under_cap import (
    LEAST_SHARE,
    PairCosts,
    Switch,
    UnderCap,
    Way,
    choose,
    gate_time,
    share_for,
)

FREE = Objectives()
COSTS = PairCosts(small=0.17, read=0.15)


def models(kit: Any, large: float | None = 0.8, small: float | None = 0.5) -> list[ModelRecord]:
    figures = {"large": large, "small": small}
    return [
        replace(
            kit.entry, id=id, quality=None if mean is None else EvaluatedQuality({"t": mean}, "us")
        )
        for id, mean in figures.items()
    ]


def capped(switch: Switch = "lossy", floor: float = 0.6) -> UnderCap:
    """A large model that writes 128 tokens in 30 s, a small one in 6 s."""

    def predict(entry: ModelRecord, threads: int) -> Prediction | Unpredicted:
        return prediction(40.0 if entry.id == "large" else 8.0)

    return UnderCap(switch, predict, Floor(floor, lambda: False))


def taken(kit: Any, duty: float, objectives: Objectives = FREE, **how: Any) -> Way | None:
    found = capped(**how).choose(*models(kit), objectives, 2, duty)
    return None if found is None else found.way


def test_a_share_takes_the_time_that_was_asked_for() -> None:
    for duty in (0.5, 0.7, 0.9):
        assert gate_time(share_for(duty, COSTS), COSTS) == pytest.approx(duty)
    assert share_for(0.1, COSTS) == LEAST_SHARE
    assert share_for(0.8, PairCosts(0.7, 0.4)) == 1.0  # where it costs more than it saves


def test_the_first_way_that_needs_no_pause_is_taken() -> None:
    ways = [Way("single", 1.0, 0.8), Way("speculative", 0.7, 0.8), Way("switch", 0.4, 0.75, 0.2)]
    assert choose(ways, 0.8).way.name == "speculative"
    assert choose(ways, 0.6).way.name == "switch"
    assert choose(ways, 0.3).way.name == "switch"
    assert "nothing makes up" in choose(ways, 0.3).why
    assert "nothing makes up" not in choose(ways, 0.6).why


def test_joules_a_right_token_are_told_where_they_are_known() -> None:
    ways = [Way("single", 1.0, 0.8), Way("speculative", 0.5, 0.8)]
    told = choose(ways, 0.6, token_j=4.0).why
    assert "single 1.00 of the time, 5 J a right token; speculative 0.50 of the time, 2.5 J" in told
    assert "J" not in choose(ways, 0.6).why
    assert "J" not in choose([way._replace(quality=None) for way in ways], 0.6, token_j=4.0).why


def test_a_way_that_costs_more_a_right_token_is_left_out() -> None:
    alone, drafts = Way("single", 1.0, 0.8), Way("speculative", 0.7, 0.8)
    poor = Way("switch", 0.6, 0.4, 0.2)  # 1.5 a right token, and drafts take 0.875
    found = choose([alone, drafts, poor], 0.6)
    assert (found.way, found.ways) == (drafts, (alone, drafts))


def test_the_gate_is_left_out_only_where_no_share_pays() -> None:
    drafts = Way("speculative", 0.7, 0.8)
    gate, small = Way("switch", 0.69, 0.75, 0.5, quickest=0.3), Way("small", 0.2, 0.5)
    assert choose([drafts, gate, small], 0.69).way == gate
    assert choose([drafts, gate._replace(quickest=0.66), small], 0.69).way == small


def test_drafts_come_first_and_then_the_gate_with_the_share_that_suffices(kit: Any) -> None:
    drafts = taken(kit, 0.9)
    assert drafts is not None
    assert drafts.name == "speculative"
    gate = taken(kit, 0.6)
    assert gate is not None
    assert gate.name == "switch"
    assert gate.share is not None
    assert gate.time == pytest.approx(0.6)


def test_nothing_is_lost_where_that_is_not_wanted(kit: Any) -> None:
    for duty in (0.9, 0.6, 0.1):
        lossless = taken(kit, duty, switch="lossless")
        assert lossless is not None
        assert lossless.name == "speculative"
        assert taken(kit, duty, switch="off") is None


def test_no_way_is_below_the_floor_of_the_request(kit: Any) -> None:
    """The gate is thought to reach 0.725, the small model 0.5."""
    named = {0.72: "switch", 0.74: "speculative", 0.45: "small"}
    for floor, name in named.items():
        way = taken(kit, 0.2, Objectives(quality=floor))
        assert way is not None
        assert way.name == name


def test_a_usual_floor_that_the_large_model_misses_lets_the_gate_keep_most_of_it(kit: Any) -> None:
    near, far = models(kit, 0.47, 0.4), models(kit, 0.47, 0.2)
    for pair, name in ((near, "switch"), (far, "speculative")):
        found = capped(floor=0.5).choose(*pair, FREE, 2, 0.2)
        assert found is not None
        assert found.way.name == name


@pytest.mark.parametrize("unknown", [{"large": None}, {"small": None}])
def test_a_model_without_a_figure_takes_part_in_nothing_lossy(kit: Any, unknown: Any) -> None:
    found = capped(floor=0.0).choose(*models(kit, **unknown), FREE, 2, 0.1)
    assert found is not None
    assert found.way.name == "speculative"


def test_without_a_smaller_model_the_text_itself_drafts(kit: Any) -> None:
    large, _ = models(kit)
    found = capped().choose(large, None, FREE, 2, 0.5)
    assert found is not None
    assert found.way.name == "lookup"


def test_what_answers_took_counts_before_what_was_expected(kit: Any) -> None:
    rule, (large, small) = capped("lossless"), models(kit)
    slow = Served(10, 0, 128, 1.0, 36.0)
    for _ in range(3):
        rule.learn(large, small, Mode("speculative", "small"), 2, slow)
        rule.learn(large, None, Mode("lookup"), 2, replace(slow, decode_s=33.0))
    slowed = rule.choose(large, small, FREE, 2, 0.5)
    assert slowed is not None
    assert slowed.way.name == "lookup"  # drafts take longer; lookup costs nothing, and stays
    for _ in range(40):
        rule.learn(large, small, Mode("speculative", "small"), 2, replace(slow, decode_s=15.0))
    found = rule.choose(large, small, FREE, 2, 0.5)
    assert found is not None
    assert found.way.time == pytest.approx(0.5, abs=0.1)


def test_answers_under_a_constraint_teach_nothing(kit: Any) -> None:
    rule, (large, small) = capped("lossless"), models(kit)
    before = rule.choose(large, small, FREE, 2, 0.7)
    slow = Served(10, 0, 128, 1.0, 90.0, mask_wait_s=2.0)
    for _ in range(9):
        rule.learn(large, small, Mode("speculative", "small"), 2, slow)
    assert rule.choose(large, small, FREE, 2, 0.7) == before


def test_who_prefers_quality_gets_nothing_lossy(kit: Any) -> None:
    way = taken(kit, 0.3, Objectives(prefer="quality"))
    assert way is not None
    assert way.name in ("lookup", "speculative")


def test_a_short_or_a_single_answer_decides_little(kit: Any) -> None:
    rule, (large, small) = capped("lossless"), models(kit)
    slow, mode = Served(10, 0, 128, 1.0, 36.0), Mode("speculative", "small")
    before = rule.choose(large, small, FREE, 2, 0.7)
    assert before is not None
    for _ in range(9):
        rule.learn(large, small, mode, 2, replace(slow, completion_tokens=31))
    assert rule.choose(large, small, FREE, 2, 0.7) == before
    rule.learn(large, small, mode, 2, slow)
    after = rule.choose(large, small, FREE, 2, 0.7)
    assert after is not None
    assert before.way.time < after.way.time < 1.0


def test_the_gate_begins_where_it_ended_for_the_pair(kit: Any) -> None:
    rule, (large, small) = capped(), models(kit)
    assert rule.bits(large, small, 0.2) < rule.bits(large, small, 0.1)
    mode = Mode("switch", "small", gating=Gating(1.0, 0.2))
    made = Made(small=102, large=26, threshold=0.4)
    for _ in range(4):
        rule.learn(large, small, mode, 2, Served(10, 0, 128, 1.0, 12.0, made=made))
    assert rule.bits(large, small, 0.2) == pytest.approx(0.4)
