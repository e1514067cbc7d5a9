"""Who takes turns, and what is made of the figures; the servers only pretend."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from benchlib import rounds as rounds_module
from benchlib.chat import Reply
from benchlib.http import Address
from benchlib.process import Child
from benchlib.prompts import Prompts
from benchlib.rounds import Lap, Rounds
from benchlib.server import Loop, Running, Settings
from benchlib.workload import Amounts
from benchmarks.serve import Bench, values

SETTINGS = Settings(Path("m.gguf"), "m", 1024, 8, threads=2)


class FakeChild(Child):
    """Uses a second of the CPU whenever it is looked at."""

    looks = 0

    def cpu_s(self) -> float:
        self.looks += 1
        return float(self.looks)


@dataclass
class FakeSide:
    name: str
    directory: Path
    log: list[str] = field(default_factory=list)
    steps: int = 0

    def features(self) -> str:
        return "none"

    def memory_mb(self, running: Running) -> dict[str, float]:
        return {"front_rss_mb": 40.0}

    async def loop(self, running: Running) -> Loop | None:
        self.steps += 1
        return Loop(self.steps, self.steps * 1.0, self.steps * 0.9) if self.name == "ours" else None

    @asynccontextmanager
    async def run(self, settings: Settings) -> AsyncGenerator[Running]:
        self.log.append(f"start {self.name} {settings.threads}")
        pause = "import signal; signal.pause()"
        log = self.directory / f"{self.name}.log"
        with FakeChild([sys.executable, "-c", pause], log) as child:
            yield Running(child, Address(path=self.name), ready_s=0.5)
        self.log.append(f"stop {self.name}")


class FakeAsker:
    """Every answer takes 1 s to its first token and 0.1 s a token from then on."""

    def __init__(self, *_: object) -> None:
        self.replies: list[Reply] = []

    async def short(self, tokens: int) -> Reply:
        texts_s = tuple(1.0 + 0.1 * number for number in range(tokens))
        self.replies.append(Reply(0.0, texts_s, 40, 20, tokens, "x"))
        return self.replies[-1]

    async def long(self) -> Reply:
        return await self.short(1)

    async def together(self, streams: int, tokens: int) -> list[Reply]:
        return [await self.short(tokens) for _ in range(streams)]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    monkeypatch.setattr(rounds_module, "Asker", FakeAsker)
    monkeypatch.setattr(rounds_module, "Watch", Watch)
    return Rounds(SETTINGS, Prompts((), ()), Amounts(), 0.0, lambda _: None)


class Watch(rounds_module.Watch):
    """Sees the machine as it is, without looking for a second."""

    def __init__(self, label: str, patience_s: float) -> None:
        super().__init__(label, patience_s, sleep=lambda _: None)


def test_sides_take_turns_and_never_run_at_once(rounds: Rounds, tmp_path: Path) -> None:
    log: list[str] = []
    sides = [FakeSide(name, tmp_path, log) for name in ("ours", "peer")]
    asyncio.run(Bench(sides, rounds).run(2))
    turns = ["start ours 2", "stop ours", "start peer 2", "stop peer"]
    assert log == turns * 2
    assert [s.label for s in rounds.samples] == [
        f"round {number} {name}" for number in (1, 2) for name in ("ours", "peer")
    ]


def test_every_measure_is_kept_for_every_round(rounds: Rounds, tmp_path: Path) -> None:
    asyncio.run(Bench([FakeSide("ours", tmp_path)], rounds).run(2))
    assert rounds.of("ours", "ttft_1") == [1.0, 1.0]
    assert rounds.of("ours", "decode_1") == pytest.approx([10.0, 10.0])
    assert rounds.of("ours", "decode_8") == pytest.approx([80.0, 80.0])
    assert rounds.of("ours", "prefill") == [20.0, 20.0]
    assert rounds.of("ours", "loop_overhead") == pytest.approx([0.1, 0.1])
    made = {1: 4 * 128, 4: 3 * 4 * 96, 8: 3 * 8 * 96}
    for streams, tokens in made.items():
        assert rounds.of("ours", f"cpu_s_{streams}") == pytest.approx([1000 / tokens] * 2)
    assert rounds.of("peer", "decode_1") == []


def test_cpu_time_is_that_of_a_thousand_tokens_between_two_moments() -> None:
    before, after = Lap(None, cpu_s=1.0, made=100), Lap(None, cpu_s=3.0, made=600)
    assert after.since(before, 4) == {"cpu_s_4": pytest.approx(4.0)}


def test_what_was_not_measured_is_none(rounds: Rounds) -> None:
    assert set(values(rounds).values()) == {None}


def test_the_report_has_the_agreed_names(rounds: Rounds, tmp_path: Path) -> None:
    bench = Bench([FakeSide(name, tmp_path) for name in ("ours", "peer")], rounds)
    asyncio.run(bench.run(1))
    report = bench.report()
    names = {"decode_1", "decode_4", "decode_8", "ttft_1", "prefill"}
    assert names <= set(report.ratios)
    assert report.ratios["decode_1"] == 1.0
    for streams in (1, 4, 8):
        assert report.ratios[f"cpu_s_{streams}"] == 1.0
        assert report.values[f"cpu_s_{streams}_ours"] == report.values[f"cpu_s_{streams}_peer"]
    assert report.values["front_rss_mb"] == 40.0
    assert {"engine_rss_mb", "ready_s", "loop_overhead"} <= set(report.values)
