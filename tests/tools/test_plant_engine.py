"""The engine of the second plant: what bounds a pass, how it rests, and what it may tell."""

from __future__ import annotations

from itertools import pairwise

import pytest
from benchlib.plant_engine import Pass, PlantEngine
from benchlib.plant_figures import draw
from benchlib.plant_kinds import AGX_ORIN, ORIN_NANO, PI5, Kind
from benchlib.plant_load import Work

CHAT = Work(1, 100.0, 150.0)


def engine(work: Work = CHAT, kind: Kind = PI5, on_gpu: bool = False) -> PlantEngine:
    return PlantEngine(draw(kind, 0, on_gpu), work, 0, 0.0, on_gpu)


def passes(made: PlantEngine, seconds: float) -> list[Pass]:
    """Return all that end in so many seconds."""
    found: list[Pass] = []
    for tenth in range(1, round(seconds * 10) + 1):
        made.run(tenth / 10)
        found += made.take(tenth / 10)
    return found


def test_decoding_waits_for_memory_and_prompts_for_cores() -> None:
    made = engine()
    decode_s, prompt_s = made.seconds(1, 4), made.seconds(256, 4)
    made.clock = 0.625
    assert made.seconds(1, 4) < 1.3 * decode_s
    assert made.seconds(256, 4) == pytest.approx(1.6 * prompt_s, rel=0.02)
    made.clock = 1.0
    assert made.seconds(1, 1) < 2.5 * decode_s
    assert made.seconds(256, 1) > 3.5 * prompt_s


def test_streams_share_a_pass() -> None:
    made = engine()
    assert made.seconds(4, 4) < 2.0 * made.seconds(1, 4)


@pytest.mark.parametrize("kind", [PI5, AGX_ORIN], ids=["pi5", "agx"])
def test_more_threads_are_faster_by_less_and_less(kind: Kind) -> None:
    made = engine(kind=kind)
    speeds = [1.0 / made.seconds(1, threads) for threads in range(1, kind.cores + 1)]
    gains = [b / a for a, b in pairwise(speeds)]
    assert min(gains) > 1.0
    assert gains[0] > gains[-1]


def test_the_engine_rests_as_its_duties_ask() -> None:
    made = engine(Work(1, 400.0, 40.0))
    made.pace(0.5, 0.25, 0.0)
    made.chunk = 16
    found = passes(made, 60.0)
    for one, after in pairwise(found[5:]):
        duty = 0.25 if one.prompt_tokens else 0.5
        assert after.begin_s - one.end_s == pytest.approx(one.busy_s * (1.0 / duty - 1.0))


def test_a_pass_is_told_once_it_has_ended() -> None:
    made = engine(Work(1, 3000.0, 10.0))
    told: list[tuple[float, Pass]] = []
    for tenth in range(1, 100):
        made.run(tenth / 10)
        told += [(tenth / 10, one) for one in made.take(tenth / 10)]
    assert any(one.busy_s > 0.2 for _, one in told)
    assert all(one.end_s <= now_s < one.end_s + 0.1 + 1e-9 for now_s, one in told)


def test_requests_are_the_same_however_fast_they_are_answered() -> None:
    def prompts(duty: float) -> int:
        made = engine(Work(2, 100.0, 20.0))
        made.pace(duty, duty, 0.0)
        return sum(p.prompt_tokens for p in passes(made, 30.0 / duty))

    assert prompts(1.0) == pytest.approx(prompts(0.5), rel=0.1)


def test_a_thread_that_shares_its_core_slows_all_others() -> None:
    alone, crowded = engine(), engine()
    crowded.others = 1.0
    rest = engine()
    rest.others, rest.threads = 1.0, 3
    done = [sum(p.tokens for p in passes(made, 20.0)) for made in (alone, crowded, rest)]
    assert done[1] < 0.6 * done[0]
    assert done[1] < done[2] < done[0]


def test_on_a_gpu_passes_follow_its_clock_and_one_thread_waits() -> None:
    made = engine(kind=ORIN_NANO, on_gpu=True)
    prompt_s = made.seconds(256, 1)
    made.gpu_clock = 0.5
    assert made.seconds(256, 1) > 1.6 * prompt_s
    found = passes(made, 5.0)
    assert all(p.gpu and p.threads == 1 and p.cores <= 1.0 for p in found)


def test_requests_wait_where_they_are_not_let_in() -> None:
    made = engine(Work(4, 50.0, 50.0))
    made.admitting = False
    passes(made, 1.0)
    assert (made.running, made.waiting) == (0, 4)
    made.admitting = True
    passes(made, 2.0)
    assert made.running == 4
