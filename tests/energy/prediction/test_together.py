"""Two models together take what their passes take, and what is learnt corrects the rest."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from calibrated import HARDWARE, SMOL, TIMED, calibration
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.routing import Prediction, RequestTokens, Served, Unpredicted
from edge_rt.energy.prediction.memory import LearntTeam, Team
from edge_rt.energy.prediction.predictor import Predictor
from edge_rt.energy.prediction.teams import MOST, Teams
from edge_rt.energy.prediction.together import PredictAlone, Teamwork, together, untried

SLOWER = 4.0  # is the large model, in everything
SIZES = RequestTokens(256, 0, 129)


def _runtime(factor: float) -> object:
    points = tuple((tokens, factor * seconds) for tokens, seconds in TIMED.prefill)
    return replace(
        TIMED,
        prefill=points,
        step_s=factor * TIMED.step_s,
        step_context_s=factor * TIMED.step_context_s,
        pair_s=factor * TIMED.pair_s,
    )


def models() -> tuple[PredictAlone, PredictAlone]:
    predictor = Predictor(HARDWARE)
    predictor.know("small", SMOL, [calibration(model="small")])
    slow = calibration(model="large", promise=_runtime(SLOWER))  # type: ignore[arg-type]
    predictor.know("large", SMOL, [slow])

    def foretell(model: str) -> PredictAlone:
        return lambda p, cached, o: predictor.predict(model, 1, p, cached, o)

    return foretell("large"), foretell("small")


LARGE, SMALL = models()


def foretold(work: Teamwork, sizes: RequestTokens = SIZES, *, small: bool = True) -> Prediction:
    found = together(work, sizes, LARGE, SMALL if small else None)
    assert isinstance(found, Prediction)
    return found


def alone(foretell: PredictAlone, sizes: RequestTokens = SIZES) -> Prediction:
    found = foretell(*sizes)
    assert isinstance(found, Prediction)
    return found


def test_a_model_that_drafts_nothing_takes_what_it_takes_alone() -> None:
    found, single = foretold(Teamwork(), small=False), alone(LARGE)
    assert found.seconds == pytest.approx(single.seconds)
    assert found.energy_j == pytest.approx(single.energy_j)
    assert found.total_j == pytest.approx(single.total_j)


@pytest.mark.parametrize(("large", "foretell"), [(1.0, LARGE), (0.0, SMALL)])
def test_who_writes_it_all_takes_what_it_takes_alone(large: float, foretell: PredictAlone) -> None:
    found, single = foretold(Teamwork(large)), alone(foretell)
    computing = single.prefill_s + single.decode_s
    assert found.prefill_s + found.decode_s == pytest.approx(computing)
    assert found.energy_j == pytest.approx(single.energy_j)


@given(st.floats(0.01, 0.98), st.floats(0.0, 0.5), st.floats(0.0, 1.0))
def test_a_larger_share_and_more_catch_up_take_longer(
    large: float, switches: float, catch_up: float
) -> None:
    work = Teamwork(large, switches=switches, catch_up=catch_up)
    more = msgspec.structs.replace(work, catch_up=catch_up + 0.2)
    assert foretold(more).seconds >= foretold(work).seconds - 1e-9
    larger, plain = Teamwork(large + 0.01), Teamwork(large)
    assert foretold(larger).seconds > foretold(plain).seconds


def test_catch_up_eats_what_switching_saves() -> None:
    work = Teamwork(0.3, switches=0.3)
    read = Teamwork(0.3, switches=0.3, catch_up=1.0)
    assert foretold(work).decode_s < foretold(read).decode_s < alone(LARGE).decode_s


def test_accepted_drafts_save_and_rejected_ones_cost() -> None:
    single = alone(LARGE).decode_s
    assert foretold(Teamwork(accepted=0.6), small=False).decode_s < single
    assert foretold(Teamwork(rejected=0.6), small=False).decode_s > single
    good, bad = Teamwork(accepted=0.6, rejected=0.1), Teamwork(accepted=0.1, rejected=0.6)
    assert foretold(good).decode_s < single < foretold(bad).decode_s
    both = foretold(good, small=False), foretold(bad, small=False)
    assert [found.energy_j < alone(LARGE).energy_j for found in both] == [True, False]  # type: ignore


def test_the_small_model_reads_what_is_new_to_it() -> None:
    work, half = Teamwork(0.5), SIZES._replace(cached=128)
    known = together(work, half, LARGE, SMALL)
    partly = together(work, half, LARGE, SMALL, SIZES)
    assert isinstance(known, Prediction)
    assert isinstance(partly, Prediction)
    assert known.prefill_s < partly.prefill_s < foretold(work).prefill_s
    assert known.decode_s == pytest.approx(partly.decode_s)


def test_joules_are_known_where_both_know_them() -> None:
    def bare(p: int, cached: int, o: int) -> Prediction:
        return replace(alone(SMALL, RequestTokens(p, cached, o)), energy_j=None)

    found = together(Teamwork(0.5), SIZES, LARGE, bare)
    assert isinstance(found, Prediction)
    assert (found.energy_j, found.total_j, found.power_w) == (None, None, None)


def test_a_model_of_which_nothing_is_known_says_so() -> None:
    unknown = Unpredicted("nothing is known of it")
    assert together(Teamwork(0.5), SIZES, LARGE, lambda *_: unknown) == unknown
    assert together(Teamwork(0.5), SIZES, lambda *_: unknown, SMALL) == unknown


def test_a_draft_model_that_was_never_tried_gains_nothing() -> None:
    found = Teams().predict(Team("large", "small", "speculative"), SIZES, LARGE, SMALL)
    assert isinstance(found, Prediction)
    assert found.seconds > 1.02 * alone(LARGE).seconds
    assert found.error_ratio >= 0.5


def test_looking_up_that_was_never_tried_changes_nothing() -> None:
    found = Teams().predict(Team("large", None, "lookup"), SIZES, LARGE, None)
    assert isinstance(found, Prediction)
    assert found.seconds == pytest.approx(alone(LARGE).seconds)
    assert found.energy_j == pytest.approx(alone(LARGE).energy_j)
    assert found.error_ratio >= 0.5


def test_answers_that_the_small_model_keeps_cost_the_large_one_nothing() -> None:
    kept, handed = Teamwork(0.0, alone=1.0), Teamwork(accepted=0.04, rejected=0.02)
    both = foretold(Teamwork.mean([kept, handed]))
    assert foretold(kept).energy_j == pytest.approx(alone(SMALL).energy_j)
    assert foretold(handed).seconds > alone(LARGE).seconds
    half = (foretold(kept).seconds + foretold(handed).seconds) / 2.0
    assert both.seconds == pytest.approx(half, rel=0.05)


def test_deciding_early_is_expected_to_take_less_than_the_large_model_alone() -> None:
    found = Teams().predict(Team("large", "small", "switch:early"), SIZES, LARGE, SMALL)
    assert isinstance(found, Prediction)
    assert alone(SMALL).seconds < found.seconds < alone(LARGE).seconds


def test_shares_that_are_asked_for_are_expected() -> None:
    assert untried("switch:token", 0.2).large == 0.2
    assert untried("switch:token", None).large == 0.5
    assert untried("switch:verify", 0.3).accepted == pytest.approx(0.7)


# --- learning

TEAM = Team("large@1", "small@2", "switch:token", 0.2)
WORK = Teamwork(0.2, switches=0.1, catch_up=0.5)


def served(slower: float) -> Served:
    """What comes of a board that the formula takes for faster than it is."""
    found = foretold(WORK)
    assert found.energy_j is not None
    times = (slower * found.prefill_s, slower * found.decode_s)
    return Served(*SIZES, *times, energy_j=slower * found.energy_j)


def test_what_comes_corrects_what_is_foretold() -> None:
    teams = Teams()
    for _ in range(5):
        teams.learn(TEAM, WORK, served(1.5), LARGE, SMALL)
    found = teams.predict(TEAM, SIZES, LARGE, SMALL)
    came = served(1.5)
    assert isinstance(found, Prediction)
    assert found.prefill_s + found.decode_s == pytest.approx(came.prefill_s + came.decode_s)
    assert found.energy_j == pytest.approx(came.energy_j)
    assert found.basis == "learnt"
    assert found.error_ratio < 0.01


@pytest.mark.parametrize("change", [{"share": 0.4}, {"threshold": 0.5}, {"first": 16}])
def test_teams_learn_for_themselves_and_remember(change: dict[str, float]) -> None:
    teams = Teams()
    teams.learn(TEAM, WORK, served(1.5), LARGE, SMALL)
    other = Team(**{**TEAM._asdict(), **change})  # type: ignore[arg-type]
    assert teams.predict(other, SIZES, LARGE, SMALL) == Teams().predict(other, SIZES, LARGE, SMALL)
    kept = msgspec.json.encode(teams.learnt())
    again = Teams(msgspec.json.decode(kept, type=list[LearntTeam]))
    assert again.predict(TEAM, SIZES, LARGE, SMALL) == teams.predict(TEAM, SIZES, LARGE, SMALL)


def test_only_those_that_learnt_last_are_remembered() -> None:
    teams, one = Teams(), served(1.5)
    shares = [index / 1000 for index in range(MOST + 5)]
    for share in (*shares, shares[7]):
        teams.learn(TEAM._replace(share=share), WORK, one, LARGE, SMALL)
    kept = [learnt.team.share for learnt in teams.learnt()]
    assert kept == [*shares[5:7], *shares[8:], shares[7]]
