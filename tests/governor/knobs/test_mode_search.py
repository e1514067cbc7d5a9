"""The power mode with the fewest joules a token is found by at most five probes of real work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from benchlib.boards import load_boards
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.schema import Knobs
from edge_rt.core.reports.board import Booking
from edge_rt.governor.knobs.board_knobs import FEWEST_JOULES, BoardKnobs
from edge_rt.governor.knobs.mode_search import (
    PROBE_TOKENS,
    PROBES,
    EfficientMode,
    ModeSearch,
    Probe,
    mode_speed,
)
from edge_rt.governor.knobs.programs import ProgramResult
from edge_rt.testing.board import FakeBoard

IDLE_W = 4.0
TABLE = {"7W": (0.5, 5.0), "15W": (0.3, 12.0), "25W": (0.28, 20.0), "MAXN": (0.35, 22.0)}
"""Joules a token, and tokens a second."""


def searched(costs: Sequence[float], least: float = 0.0) -> ModeSearch:
    """Search modes whose speed is their place and whose joules are `costs`."""
    search = ModeSearch([str(at) for at in range(len(costs))], least)
    while (mode := search.next) is not None:
        search.found[mode] = Probe(costs[int(mode)], float(mode))
    return search


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=PROBES))
def test_up_to_five_modes_are_all_probed(costs: list[float]) -> None:
    search = searched(costs)
    assert len(search.found) == len(costs)
    assert costs[int(search.best or 0)] == min(costs)


@given(st.integers(6, 12), st.integers(0, 11))
def test_of_more_a_valley_is_found_by_five(count: int, lowest: int) -> None:
    lowest = min(lowest, count - 1)
    search = searched([1.0 + 0.05 * (at - lowest) ** 2 for at in range(count)])
    assert len(search.found) <= PROBES
    assert abs(int(search.best or 0) - lowest) <= 1


def test_a_mode_that_is_too_slow_is_not_chosen() -> None:
    assert searched([0.1, 0.2, 0.3, 0.4], least=2.0).best == "2"
    assert searched([0.1, 0.2, 0.3, 0.4], least=9.0).best == "3", "else the fastest"


def test_modes_are_ordered_by_the_profile_or_their_names() -> None:
    board = load_boards()["jetson-orin-nano-super-8gb"]
    names = ["MAXN_SUPER", "7W", "25W", "15W"]
    assert sorted(names, key=lambda mode: mode_speed(board, mode)) == [
        "7W",
        "15W",
        "25W",
        "MAXN_SUPER",
    ]
    named = ["MODE_30W", "MAXN", "MODE_15W"]
    assert sorted(named, key=lambda mode: mode_speed(None, mode)) == [
        "MODE_15W",
        "MODE_30W",
        "MAXN",
    ]


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path / "tree")


class Jetson:
    """A board with nvpmodel, whose answers take what TABLE says of its mode."""

    def __init__(self) -> None:
        self.mode, self.seconds, self.switches = "25W", 1000.0, list[str]()
        self.restart: set[str] = set()  # modes that take one

    def nvpmodel(self, arguments: Sequence[str], said: str) -> ProgramResult:
        names = list(TABLE)
        if arguments[0] == "-m":
            wanted = names[int(arguments[1])]
            if wanted not in self.restart:
                self.mode = wanted
                self.switches.append(wanted)
        rows = "".join(f"POWER_MODEL: ID={n} NAME={name}\n" for n, name in enumerate(names))
        return ProgramResult(0, f"{rows}NV Power Mode: {self.mode}\n")

    def answer(self, model: str = "smol", tokens: int = 100) -> Booking:
        token_j, speed = TABLE[self.mode]
        busy_s = tokens / speed
        self.seconds += busy_s
        return Booking(
            ended=self.seconds,
            model=model,
            status="done",
            prompt_tokens=10,
            cached_tokens=0,
            completion_tokens=tokens,
            seconds=busy_s,
            busy_s=busy_s,
            energy_j=tokens * token_j - IDLE_W * busy_s,
            quality="measured",
            power_w=None,
            temp_c=None,
        )


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


async def live(jetson: Jetson, knobs: BoardKnobs, least: float | None = None) -> EfficientMode:
    """Answers, one after the other, until the search is at its end."""
    found = EfficientMode(knobs, lambda: IDLE_W, lambda: None, lambda: jetson.seconds, least)
    await knobs.turn(no_pause)
    task = asyncio.create_task(found.run())
    while not task.done():
        found.hear(jetson.answer())
        found.hear(jetson.answer("other"))
        await asyncio.sleep(0.001)  # a switch takes a thread
    await task
    return found


def knobs_of(jetson: Jetson, board: Any, state: Path) -> BoardKnobs:
    wanted = Knobs(nvpmodel=FEWEST_JOULES)
    return BoardKnobs(wanted, board.sysfs.parent, state, jetson.nvpmodel, lambda seconds: None)


@pytest.mark.parametrize(("least", "best"), [(None, "25W"), (21.0, "MAXN"), (30.0, "MAXN")])
def test_the_best_mode_is_found_and_the_first_one_put_back_at_the_end(
    kit: Any, board: Any, tmp_path: Path, least: float | None, best: str
) -> None:
    jetson = Jetson()
    jetson.mode = "15W"

    async def run() -> None:
        knobs = knobs_of(jetson, board, tmp_path)
        found = await live(jetson, knobs, least)
        assert jetson.mode == best
        assert len(found.search.found) == len(TABLE) <= PROBES
        for mode, probe in found.search.found.items():
            assert (probe.token_j, probe.tokens_per_s) == pytest.approx(TABLE[mode])
        await knobs.restore()
        assert jetson.mode == "15W"

    kit.run(run())


def test_a_mode_that_takes_a_restart_is_left_out(kit: Any, board: Any, tmp_path: Path) -> None:
    jetson = Jetson()
    jetson.restart = {"25W"}
    jetson.mode = "MAXN"

    async def run() -> None:
        knobs = knobs_of(jetson, board, tmp_path)
        found = await live(jetson, knobs)
        assert set(found.search.found) == {"7W", "15W", "MAXN"}
        assert jetson.mode == "15W"

    kit.run(run())


def test_answers_of_the_mode_before_do_not_count(kit: Any, board: Any, tmp_path: Path) -> None:
    jetson = Jetson()
    found = EfficientMode(
        knobs_of(jetson, board, tmp_path), lambda: IDLE_W, lambda: None, lambda: jetson.seconds
    )
    found.hear(jetson.answer(tokens=2 * PROBE_TOKENS))
    assert found.search.found == {}
    assert found.search.best is None
