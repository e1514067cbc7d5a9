"""What the benchmark of the two backends makes of its measurements."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchlib import pair
from benchlib.noise import CpuTimes, Sample
from benchlib.pair import GGUF, ONNX, Side
from benchlib.pair_answers import Answer, Spent, WarmBoard, answer
from benchlib.pair_rounds import Calm, Found, Rounds
from benchlib.pair_speeds import ratios, speeds, table
from benchlib.picks import Case, Picker, Point, Took, best, calibrate, case, judge
from benchmarks.backends import COUNTS, TOLD, amounts
from rich.console import Console

from edge_rt.backends.base import Batch
from edge_rt.energy.calibration.timing import TimingRun
from edge_rt.models.catalogue import SamplingDefaults
from edge_rt.models.formats.summary import Summary
from edge_rt.models.record import ModelRecord

BOARD = WarmBoard("raspberry-pi-5", 0)
POINT = Point(100, 20, 2, 55.0)


class Toy:
    """A backend whose likeliest token is always the one after the last one that it read."""

    vocab = 1000

    def __init__(self, said: list[tuple[str, int]], name: str) -> None:
        self.batch = Batch(16)
        self._said, self._name = said, name
        self.passes: list[tuple[int, list[int]]] = []  # first position and tokens

    def rewind(self, seq: int, length: int) -> bool:
        self.passes.clear()
        return True

    def set_threads(self, threads: int) -> None:
        self._said.append((f"{self._name} threads", threads))

    def forward(self) -> None:
        size = self.batch.size
        self.passes.append((int(self.batch.pos[0]), self.batch.token[:size].tolist()))
        if self.batch.pos[0] == 0:
            self._said.append((self._name, size))

    def logits(self, row: int) -> Any:
        assert self.batch.want[row]
        found = np.zeros(self.vocab, np.float32)
        found[(int(self.batch.token[row]) + 1) % self.vocab] = 1.0
        return found


class Quiet:
    """A watch that sees nothing."""

    def __init__(self, label: str, patience_s: float) -> None:
        self._label = label

    def finish(self, own_s: float) -> Sample:
        return Sample(self._label, {0: 1.0}, 0.0, 0.0, 0.0)


def entry(name: str, backend: str) -> ModelRecord:
    summary = Summary(
        architecture="llama",
        name="Tiny",
        organisation=None,
        licence=None,
        quantisation="Q4_1" if name == GGUF else "int4",
        parameters=1_000_000,
        file_bytes=600_000,
        context_train=2048,
        layers=2,
        embedding=64,
        heads=4,
        kv_heads=2,
        head_dim_k=16,
        head_dim_v=16,
        kv_per_token=128,
        vocab=1000,
        chat_template=None,
        bos_token=None,
        eos_token=None,
    )
    sha256 = "ab" * 32 if name == GGUF else "cd" * 32
    usual = SamplingDefaults()
    place = Path(f"/models/{name}")
    return ModelRecord(name, place, 600_000, sha256, 0, "", "", backend, usual, summary)  # pyright: ignore[reportArgumentType]


ENTRIES = (entry(GGUF, "llama.cpp"), entry(ONNX, "onnx"))


def made(prompt: int, tokens: int, read_s: float, step_s: float, cores: float) -> Answer:
    """An answer whose prompt takes `read_s` a token, and each further token `step_s`."""
    ends = [prompt * read_s + step_s * n for n in range(tokens)]
    return Answer(prompt, [Spent(end, cores * end) for end in ends])


def side(name: str, prompt: int, tokens: int, threads: int) -> Answer:
    """ONNX reads a prompt twice as fast, and decodes at four fifths of the speed."""
    read_s, step_s = (0.01, 0.02) if name == GGUF else (0.005, 0.025)
    return made(prompt, tokens, read_s / threads, step_s / threads, float(threads))


def training() -> Found:
    return {
        (name, threads, prompt): [side(name, prompt, 25, threads) for _ in range(2)]
        for name in (GGUF, ONNX)
        for threads in COUNTS
        for prompt in (16, 64, 256, 1024)
    }


@pytest.fixture(scope="module")
def picker() -> Picker:
    found = training()
    return Picker(
        ENTRIES,
        {one.id: [calibrate(one, threads, found, BOARD) for threads in COUNTS] for one in ENTRIES},
    )


def measured(point: Point) -> Case:
    """The case of a point, were everything as `side` says."""
    took = {
        name: best([side(name, point.prompt_tokens, 200, point.threads)], point, BOARD)
        for name in (GGUF, ONNX)
    }
    return Case(point, took, took, GGUF, GGUF)


# --- answers


def test_an_answer_reads_the_prompt_in_passes_and_then_goes_token_by_token() -> None:
    toy, ticks, cpu = Toy([], "toy"), count(0.0, 1.0), count(0.0, 2.0)
    found = answer(toy, range(20), 3, lambda: next(ticks), lambda: next(cpu))  # pyright: ignore[reportArgumentType]
    assert toy.passes == [(0, [*range(16)]), (16, [*range(16, 20)]), (20, [20]), (21, [21])]
    assert found.prompt_tokens == 20
    assert found.until == [Spent(1.0, 2.0), Spent(2.0, 4.0), Spent(3.0, 6.0)]


def test_an_answer_tells_of_all_shorter_ones() -> None:
    found = made(10, 5, 0.5, 2.0, 1.5)
    assert found.prefill == Spent(5.0, 7.5)
    assert found.decode(3) == pytest.approx(Spent(4.0, 6.0))
    assert found.decode(1) == Spent(0.0, 0.0)
    assert found.seconds(3) == 9.0
    assert found.decode(3).busy_cores == 1.5
    assert found.decode(1).busy_cores == 0.0


def test_both_sides_take_strict_turns_and_change_who_is_first() -> None:
    said: list[tuple[str, int]] = []
    sides = [_side(name, said) for name in ("a", "b")]
    rounds = Rounds(sides, 0.0, lambda _: None, random.Random(0), Quiet, lambda _: Calm(0.0))  # pyright: ignore[reportArgumentType]
    found: Found = {}
    for label in ("one", "two"):
        rounds.run(label, [TimingRun(4, 2), TimingRun(8, 2)], (1, 2), found)
    timed = [name for name, size in said if size in (4, 8)]
    assert timed == [*"abab" * 2, *"baba" * 2]
    assert {key: len(answers) for key, answers in found.items()} == {
        (name, threads, prompt): 2 for name in "ab" for threads in (1, 2) for prompt in (4, 8)
    }
    assert [sample.label for sample in rounds.samples] == ["one", "two"]


class Machine:
    """A second goes by with each thing that is done; others are busy for the first `busy_s`."""

    def __init__(self, busy_s: float) -> None:
        self.now_s = self.slept_s = 0.0
        self._busy_s = busy_s

    def calm(self, patience_s: float) -> Calm:
        return Calm(patience_s, lambda: self.now_s, lambda: 0.0, self.times, self.sleep)

    def times(self) -> CpuTimes:
        return CpuTimes(min(self.now_s, self._busy_s), 0.0)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept_s += seconds

    def work(self) -> float:
        self.now_s += 1.0
        return self.now_s


def test_what_others_disturb_is_done_again_once_they_are_quiet() -> None:
    machine = Machine(busy_s=3.0)
    calm = machine.calm(60.0)
    assert calm.make(machine.work) > 3.0 + 1.0
    assert (calm.done, calm.disturbed) == (1, 0)
    assert machine.slept_s >= 2.0
    assert calm.make(machine.work) == machine.now_s
    assert (calm.done, calm.disturbed) == (2, 0)


def test_patience_ends_and_what_is_disturbed_then_is_told() -> None:
    machine = Machine(busy_s=1e9)
    calm = machine.calm(5.0)
    for _ in range(3):
        calm.make(machine.work)
    assert (calm.done, calm.disturbed) == (3, 3)
    assert machine.now_s <= 5.0 + 4.0


def _side(name: str, said: list[tuple[str, int]]) -> Side:
    park: Callable[[], object] = lambda: None  # noqa: E731
    toy: Any = Toy(said, name)
    return Side(replace(ENTRIES[0], id=name), toy, park)


def test_a_model_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    def convert(gguf: Path, folder: Path) -> None:
        begun.append(gguf)
        folder.mkdir()

    monkeypatch.setattr(pair, "_convert", convert)
    places = [pair.converted(tmp_path / "tiny.gguf", tmp_path) for _ in range(2)]
    assert places[0] == places[1]
    assert places[0].is_dir()
    assert begun == [tmp_path / "tiny.gguf"]
    assert [*places[0].parent.iterdir()] == [places[0]]


# --- speeds


def test_speeds_are_told_of_both_by_phase_prompt_and_threads() -> None:
    found = speeds(training(), (64, 1024), COUNTS)
    assert [one.key for one in found[:4]] == [
        "prefill_64_1t",
        "prefill_1024_1t",
        "prefill_64_2t",
        "prefill_1024_2t",
    ]
    told = ratios(found)
    assert told["prefill_1024_2t"] == pytest.approx(2.0)
    assert told["decode_64_1t"] == pytest.approx(0.8)
    assert found[0].gguf.best == pytest.approx(100.0)
    assert found[0].details()["ratio_median"] == pytest.approx(2.0)
    console = Console(width=140, record=True, quiet=True)
    console.print(table(found))


# --- joules


def test_more_seconds_and_more_cores_add_more_joules() -> None:
    def joules(seconds: float, cores: float) -> float:
        return BOARD.draw([Spent(seconds, cores * seconds)], 55.0).energy_j

    assert 0.0 < joules(1.0, 1.0) < joules(2.0, 1.0) < joules(2.0, 2.0)


def test_a_warmer_board_draws_more_idle_and_for_the_same_answer() -> None:
    parts = [Spent(2.0, 4.0), Spent(3.0, 6.0)]
    drawn = [BOARD.draw(parts, temp_c) for temp_c in (40.0, 55.0, 70.0)]
    for cool, warm in pairwise(drawn):
        assert cool.idle_w < warm.idle_w < warm.power_w
        assert cool.energy_j < warm.energy_j
    assert drawn[0].energy_j == pytest.approx(sum(drawn[0].added_j))


def test_a_part_of_no_time_adds_nothing() -> None:
    assert BOARD.draw([Spent(1.0, 1.0), Spent(0.0, 0.0)], 55.0).added_j[1] == 0.0


# --- picks


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize(
    ("prompt", "completion", "better"), [(500, 8, ONNX), (24, 128, GGUF), (800, 32, ONNX)]
)
def test_the_router_picks_what_is_better_for_prompt_and_answer(
    picker: Picker, prompt: int, completion: int, better: str, threads: int
) -> None:
    point = Point(prompt, completion, threads, 40.0)
    found = case(point, measured(point).took, picker)
    assert (found.thriftiest, found.fastest) == (better, better)
    assert found.excess() == 0.0
    assert found.joules_near
    assert found.seconds_near
    assert found.foretold[better].seconds == pytest.approx(found.took[better].seconds, rel=0.02)
    assert found.foretold[better].energy_j == pytest.approx(found.took[better].energy_j, rel=0.1)


def test_picks_are_timed_by_the_clock(picker: Picker) -> None:
    ticks = count(0.0, 2.0)
    assert picker.pick_s(POINT, lambda: next(ticks)) == 2.0
    assert picker.wide_pick_s(POINT, lambda: next(ticks)) == 2.0


def test_the_fastest_answer_counts_with_its_own_joules() -> None:
    answers = [made(100, 30, 0.01, 0.02, 2.0), made(100, 30, 0.02, 0.02, 1.0)]
    found = best(answers, POINT, BOARD)
    assert found.seconds == pytest.approx(1.0 + 19 * 0.02)
    assert found == best(answers[:1], POINT, BOARD)


def one_case(gguf: Took, onnx: Took, thriftiest: str, fastest: str) -> Case:
    took = {GGUF: gguf, ONNX: onnx}
    return Case(POINT, took, took, thriftiest, fastest)


def test_a_pick_is_right_where_it_is_near_in_what_was_asked_for() -> None:
    near = one_case(Took(1.0, 1.04), Took(1.04, 1.0), GGUF, ONNX)
    assert near.joules_near
    assert near.seconds_near
    assert near.both_near
    traded = one_case(Took(1.0, 2.0), Took(2.0, 1.0), ONNX, GGUF)
    assert traded.joules_near
    assert traded.seconds_near
    assert not traded.both_near
    assert not one_case(Took(1.0, 1.06), Took(1.0, 1.0), GGUF, GGUF).joules_near


def test_regrets_are_relative_to_the_better_one() -> None:
    cases: Sequence[Case] = [
        one_case(Took(1.0, 1.0), Took(2.0, 1.5), GGUF, GGUF),
        one_case(Took(2.0, 2.0), Took(1.0, 1.0), GGUF, ONNX),
    ]
    found = judge(cases, GGUF, ONNX)
    assert found["regret_gguf"] == pytest.approx(0.5)
    assert found["regret_onnx"] == pytest.approx(0.25)
    assert found["regret_router"] == pytest.approx(0.5)
    assert found["pick_ok_share"] == found["pick_both_share"] == 0.5
    assert found["onnx_better_share"] == 0.5
    assert found["runtime_err_median"] == found["energy_err_median"] == 0.0


@pytest.mark.parametrize("quick", [False, True])
def test_what_is_held_out_is_of_other_lengths_than_what_is_calibrated_on(quick: bool) -> None:
    how = amounts(quick)
    trained = {run.prompt_tokens for run in how.training}
    assert trained.isdisjoint(how.prompts)
    assert trained.issuperset(TOLD)
    assert {run.completion_tokens for run in how.training}.isdisjoint(how.answers)
