"""Suggestions fit the memory, and the strongest that answers as fast as people read is chosen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from benchlib.boards import load_boards
from calibrated import calibration
from msgspec.structs import replace

from edge_rt.board_model.roofline import Ceilings
from edge_rt.models.catalogue import load_suggestions
from edge_rt.models.suggested import (
    READING_TOKENS_PER_S,
    SuggestionEstimator,
    choose,
    suggest,
)

GIB = 1 << 30
BOARDS = load_boards()
MODELS = load_suggestions()
PI = SuggestionEstimator(BOARDS["raspberry-pi-5"], 4)
LLAMA = next(model for model in MODELS if "Llama-3.2-1B" in model.name)


def test_what_fits_more_memory_contains_what_fits_less() -> None:
    names = [{one.model.name for one in suggest(MODELS, n * GIB, PI)} for n in (0, 1, 4, 16, 64)]
    assert names[0] == set()
    assert all(less < more for less, more in pairwise(names))
    assert len(names[-1]) == len(MODELS)


def test_only_models_for_the_task_are_suggested() -> None:
    assert {one.model.name for one in suggest(MODELS, GIB, PI, "embedding")} == {"all-minilm-l6-v2"}
    assert all("code" in one.model.tasks for one in suggest(MODELS, 64 * GIB, PI, "code"))


def test_a_larger_model_takes_more_time_energy_and_memory() -> None:
    dense = [one for one in MODELS if "Qwen_Qwen3-" in one.name and one.shape.active is None]
    found = suggest(dense, 64 * GIB, PI, "tools")
    assert len(found) == 4
    for less, more in pairwise(found):
        assert less.cost.seconds < more.cost.seconds
        assert less.cost.energy_j is not None
        assert more.cost.energy_j is not None
        assert less.cost.energy_j < more.cost.energy_j
        assert less.model.bytes < less.memory_bytes < more.memory_bytes


def test_a_measured_board_is_within_the_error_that_is_told() -> None:
    """Llama 3.2 3B on a Pi 5 wrote 4.88 tokens a second (sbc-reviews); SmolLM3 is as large."""
    model = next(model for model in MODELS if "SmolLM3" in model.name)
    speed = PI.cost(model).tokens_per_s
    assert speed is not None
    assert 4.88 / 2 < speed < 4.88 * 2


def test_the_strongest_that_is_fast_enough_is_chosen_else_the_fastest() -> None:
    dense = [model for model in MODELS if model.shape.active is None]
    found = suggest(dense, 64 * GIB, PI, "chat")
    best = choose(found)
    assert best is not None
    assert best.cost.tokens_per_s is not None
    assert best.cost.tokens_per_s >= READING_TOKENS_PER_S
    stronger = found[found.index(best) + 1 :]
    assert stronger
    assert all((one.cost.tokens_per_s or 0) < READING_TOKENS_PER_S for one in stronger)
    assert choose(stronger) == max(stronger, key=lambda one: one.cost.tokens_per_s or 0)
    assert choose([]) is None


def test_of_experts_only_those_that_a_token_uses_take_time_but_all_take_memory() -> None:
    granite = next(model for model in MODELS if "granite" in model.name)
    dense = replace(granite, shape=replace(granite.shape, active=None))
    [experts], [all_of_them] = (suggest([one], 64 * GIB, PI) for one in (granite, dense))
    speeds = [one.cost.tokens_per_s or 0 for one in (experts, all_of_them)]
    assert speeds[0] == pytest.approx(6.94 * speeds[1], rel=0.1)
    assert experts.memory_bytes == all_of_them.memory_bytes > granite.bytes


def test_a_token_takes_the_whole_boards_watts_over_its_speed() -> None:
    cost = PI.cost(LLAMA)
    assert cost.tokens_per_s is not None
    assert cost.token_j == pytest.approx(11.0 / cost.tokens_per_s)
    assert 0 < cost.speed_error < (cost.energy_error or 0) < 0.5
    guess = SuggestionEstimator(None, 4).cost(LLAMA)
    assert guess.speed_error == pytest.approx(1.0)
    assert guess.token_j is None


def test_a_power_mode_has_its_own_speed_and_watts() -> None:
    board = BOARDS["jetson-orin-nano-super-8gb"]
    modes = ("7W", "15W", "25W", None)
    costs = [SuggestionEstimator(board, 6, gpu=True, mode=mode).cost(LLAMA) for mode in modes]
    speeds = [cost.tokens_per_s or 0 for cost in costs]
    assert speeds[0] < 0.5 * speeds[1] < speeds[1] < speeds[2] == speeds[3]
    assert costs[2].token_j is not None
    assert costs[2].token_j == pytest.approx(9.1 / speeds[2])


def test_without_a_figure_of_its_draw_a_board_has_no_joules() -> None:
    cost = SuggestionEstimator(BOARDS["jetson-nano-4gb"], 4).cost(LLAMA)
    assert (cost.energy_j, cost.total_j, cost.basis) == (None, None, "profile")
    assert SuggestionEstimator(None, 4).cost(LLAMA).basis == "guess"


def test_a_calibration_of_the_board_counts_before_its_profile() -> None:
    sweep = Ceilings(flop_per_s=80e9, byte_per_s=1e9)
    measured = calibration(threads=4, sweep=sweep)
    board = BOARDS["raspberry-pi-5"]
    cost = SuggestionEstimator(board, 4, [measured]).cost(LLAMA)
    assert cost.basis == "calibration"
    assert cost.tokens_per_s == pytest.approx(1e9 / LLAMA.bytes, rel=0.1)
    assert cost.energy_j is not None
    assert cost.energy_j != PI.cost(LLAMA).energy_j
    other = SuggestionEstimator(BOARDS["raspberry-pi-4b"], 4, [measured]).cost(LLAMA)
    assert other.basis == "profile"


def test_the_calibration_of_the_very_model_counts_most() -> None:
    smol = next(model for model in MODELS if model.name == "smollm2-135m-instruct")
    measured = calibration(model=smol.name, threads=4, sweep=Ceilings(flop_per_s=1, byte_per_s=1))
    cost = SuggestionEstimator(BOARDS["raspberry-pi-5"], 4, [measured]).cost(smol)
    expected = measured.promise.seconds(100, 100)
    assert cost.seconds == pytest.approx(expected)
