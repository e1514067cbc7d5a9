"""How figures of the governor's benchmark come about; nothing is served here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from benchlib import BenchError, daemon, stream
from benchlib.chat import Refused, Reply
from benchlib.govern import Ask, Found, Setup, worst
from benchlib.govern_contention import found
from benchlib.noise import Sample
from benchlib.prompts import Prompts
from benchlib.report import Row
from benchlib.rounds import Rounds
from benchlib.server import Settings
from benchlib.stream import rate, recovered_s, streaming
from benchlib.workload import Amounts, Asker
from benchmarks import govern
from benchmarks.govern import PARTS, VALUES, command, report_of
from click.testing import CliRunner

SETTINGS = Settings(Path("m.gguf"), "m", 1024, 1, threads=None)


def reply(texts_s: list[float], tokens: int) -> Reply:
    return Reply(texts_s[0] - 0.1, tuple(texts_s), 10, 0, tokens, "x")


def test_the_rate_counts_the_tokens_of_all_answers_between_two_times() -> None:
    replies = [reply([0.5, 1.5, 2.5], 6), reply([3.5, 4.5], 2)]
    assert rate(replies, 1.0, 4.0) == pytest.approx((4 + 1) / 3)


def test_full_speed_is_back_where_the_first_window_has_it() -> None:
    def speed(begin_s: float, end_s: float) -> float:
        slow = max(0.0, min(end_s, 12.0) - begin_s)
        return 50.0 * slow + 100.0 * (end_s - begin_s - slow)

    assert recovered_s(speed, 10.0, 18.0, wanted=100.0) == pytest.approx(2.0)
    assert recovered_s(speed, 10.0, 18.0, wanted=90.0) == pytest.approx(1.8)
    assert recovered_s(speed, 10.0, 18.0, wanted=40.0) == 0.0


def test_speed_that_does_not_come_back_is_told() -> None:
    assert recovered_s(lambda _begin_s, _end_s: 50.0, 0.0, 8.0, wanted=51.0) is None


def test_no_window_reaches_beyond_what_was_looked_at() -> None:
    seen: list[float] = []

    def speed(_begin_s: float, end_s: float) -> float:
        seen.append(end_s)
        return 0.0

    recovered_s(speed, 1.0, 5.0, wanted=1.0)
    assert max(seen) == pytest.approx(5.0)


class OneByOne(Asker):
    """Answers at once, and counts."""

    def __init__(self) -> None:
        self.replies = []

    async def short(self, tokens: int) -> Reply:
        await asyncio.sleep(0)
        self.replies.append(reply([1.0], tokens))
        return self.replies[-1]


def test_answers_stream_for_as_long_as_the_block_runs() -> None:
    asker = OneByOne()

    async def run() -> None:
        async with streaming(asker, 8):
            while len(asker.replies) < 3:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert len(asker.replies) in (3, 4)  # what had begun was waited for
    assert asker.replies[0].completion_tokens == 8


def test_an_answer_that_fails_fails_the_block() -> None:
    class Failing(OneByOne):
        async def short(self, tokens: int) -> Reply:
            raise ValueError("no")

    async def run() -> None:
        async with streaming(Failing(), 8):
            await asyncio.sleep(0)

    with pytest.raises(ValueError, match="no"):
        asyncio.run(run())


def test_who_is_refused_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(OneByOne):
        refusals = 0

        async def short(self, tokens: int) -> Reply:
            if self.refusals < 2:
                self.refusals += 1
                raise Refused("too hot")
            return await super().short(tokens)

    monkeypatch.setattr(stream, "_LATER_S", 0.0)
    asker = Busy()

    async def run() -> None:
        async with streaming(asker, 8):
            while not asker.replies:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert asker.refusals == 2


def rounds() -> Rounds:
    made = Rounds(SETTINGS, Prompts((), (), "none"), Amounts(), 0.0, lambda _: None)
    speeds = {
        "ours auto": [45.0, 47.0],
        "ours fixed_1": [48.0, 50.0],
        "ours fixed_2": [20.0, 20.0],
        "peer default": [20.0, 23.0],
    }
    made.found.update({who: {"decode_1": list(of)} for who, of in speeds.items()})
    made.found["ours after"] = {"recovery_s": [1.0, 2.5]}
    return made


def test_beside_a_hog_our_choice_is_held_against_the_best_fixed_one_and_the_peer() -> None:
    report = report_of([found(rounds())], {})
    assert report.ratios == {
        "hogged_vs_peer": pytest.approx(46.0 / 21.5),
        "hogged_vs_best": pytest.approx(46.0 / 49.0),
    }
    assert report.values["recovery_s"] == 2.5


def test_of_what_ran_twice_the_worse_counts() -> None:
    assert worst("cap_ok_share", [0.999, 0.996]) == 0.996
    assert worst("throttles", [0.0, 2.0]) == 2.0
    assert worst("throttles_without", [1.0, None]) == 1.0
    assert worst("heat_vs_best", [None, None]) is None


def test_the_report_has_all_values_and_says_none_of_what_was_not_measured() -> None:
    row = Row("hogged_vs_peer", "x", "tok/s", [2.0], [1.0])
    parts = [
        Found(values={"cap_vs_best": 0.97}, details={"cap model": {"cases": 6}}),
        Found(
            values={"cap_vs_best": 0.95},
            rows=[row],
            details={"cap": 1},
            samples=[Sample("one", {0: 1.0}, 0.0, 0.0, 0.0)],
            notes=["a note"],
        ),
    ]
    report = report_of(parts, {"quick": True})
    assert tuple(report.values) == VALUES
    assert report.values["cap_vs_best"] == 0.95
    assert report.values["heat_vs_best"] is None
    assert report.ratios == {"hogged_vs_peer": 2.0, "hogged_vs_best": None}
    assert report.details == {"cap model": {"cases": 6}, "cap": 1}
    assert [sample.label for sample in report.samples] == ["one"]
    assert report.notes == ["a note"]
    assert report.machine["quick"] is True


def test_the_parts_can_be_chosen_by_name() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    assert all(name in shown for name in PARTS)
    assert CliRunner().invoke(command, ["--part", "nosuch"]).exit_code == 2


def test_the_daemon_gets_further_sections_of_its_configuration() -> None:
    written = daemon.config(SETTINGS, Path("/nowhere/l.db"), {"sensors": {"root": "/tree"}})
    assert json.loads(written)["sensors"] == {"root": "/tree"}


def _works_out(ask: Ask) -> Found:
    return Found(values={"throttles": 1.0 if ask.quick else 2.0})


def _cannot(ask: Ask) -> Found:
    raise BenchError("rejected")


def test_a_part_that_fails_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Setup) -> Found:
        raise BenchError("no peer")

    def works(_: Setup) -> Found:
        return Found(values={"throttles": 0.0})

    parts = {
        "contention": govern.Part(measure=fails),
        "heat": govern.Part(_works_out, works),
        "cap": govern.Part(_cannot),
    }
    monkeypatch.setattr(govern, "PARTS", parts)
    said: list[str] = []
    setup = Setup(*[Path("x")] * 3, Prompts((), (), "none"), 0.0, True, said.append)
    found, failed = govern.run(["contention", "heat", "cap"], setup, Ask(quick=True))
    assert [one.values for one in found] == [{"throttles": 1.0}, {"throttles": 0.0}]
    assert failed == ["cap, worked out: rejected", "contention, measured: no peer"]
    assert set(failed) <= set(said)


def test_figures_told_by_name_are_values_where_the_report_has_them() -> None:
    one = govern.told("parameters", {"forecast_mae_k": 0.5, "pi5_stays_k": 2.0})
    assert one.values == {"forecast_mae_k": 0.5}
    figures = {"forecast_mae_k": 0.5, "pi5_stays_k": 2.0}
    assert one.details == {"parameters, worked out": figures}
