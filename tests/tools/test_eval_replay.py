"""When requests are sent, and what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from benchlib.http import Address
from eval_server import Server, serving
from evallib import EvalError
from evallib.asker import Asker
from evallib.meter import NoMeter, Spent
from evallib.record import Course
from evallib.replay import Outcome, Replay
from evallib.rounds import Sampling
from evallib.task import Item
from evallib.tasks import Gsm8k
from evallib.way import Way
from evallib.workload import AS_IT_IS, Request

WAY = Way("way", "m", {"mode": "single"})
PATIENCE_S = 60  # only a failing test waits so long


class Watts(NoMeter):
    """A board that draws 2 W."""

    def end(self, begin_s: float, end_s: float) -> Spent:
        return Spent(board_j=2.0 * (end_s - begin_s))


class Clock:
    """Time that passes while one sleeps, and not else."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


def requests(*times: float) -> list[Request]:
    return [
        Request(number, at_s, Gsm8k(), Item(f"{number}", f"question {number}", "1"), AS_IT_IS)
        for number, at_s in enumerate(times)
    ]


def replay(
    server: Server, asked: Sequence[Request], idle_s: float = 1.0, forgets: bool = False
) -> tuple[list[Outcome], Course, list[int]]:
    clock, told = Clock(), list[int]()
    asker = Asker(Address(path=str(server.server_address)), clock=clock)
    made = Replay(
        asker, Watts(), Sampling(), idle_s, forgets, told.append, sleep=clock.sleep, clock=clock
    )
    outcomes, course = asyncio.run(made.run(asked, len(asked) * [WAY]))
    return outcomes, course, told


def test_each_request_is_sent_and_long_idleness_is_cut_short(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "#### 1") as server:
        outcomes, course, told = replay(server, requests(0.0, 0.5, 10.5, 30.5))
    assert [one.request.number for one in outcomes] == [0, 1, 2, 3]
    assert [one.reply.text for one in outcomes if one.reply] == 4 * ["#### 1"]
    assert told == [1, 2, 3, 4]
    assert course == Course(span_s=30.5, idle_s=9.0 + 19.0, board_j=5.0, rest_w=2.0)
    assert course.added_j == 0.0


def test_a_request_does_not_wait_for_those_before(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def speak(_: dict[str, Any]) -> str:
        both.wait(PATIENCE_S)
        return "yes"

    with serving(tmp_path / "s", speak) as server:
        outcomes, _, _ = replay(server, requests(0.0, 0.0))
    assert all(one.failed is None for one in outcomes)


def test_what_is_asked_is_a_question_in_its_way(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        replay(server, requests(0.0))
    assert server.asked == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "question 0"}],
            "max_tokens": Gsm8k.max_tokens,
            "temperature": 0.0,
            "seed": 0,
            "edge": {"cache": "off", "mode": "single"},
        }
    ]


def test_a_router_that_forgets_is_told_so_before_each_request(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        replay(server, requests(0.0, 5.0), forgets=True)
    assert [body.get("model") for body in server.asked] == [None, "m", None, "m"]


def test_a_failed_request_is_told_with_its_reason(tmp_path: Path) -> None:
    def speak(body: dict[str, Any]) -> str | tuple[int, str]:
        return (500, "too hot") if "1" in str(body["messages"]) else "yes"

    with serving(tmp_path / "s", speak) as server:
        outcomes, _, _ = replay(server, requests(0.0, 1.0, 2.0))
    assert [one.failed is None for one in outcomes] == [True, False, True]
    assert "too hot" in str(outcomes[1].failed)


def test_a_server_that_is_out_of_order_ends_it(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", lambda _: (500, "no")) as server,
        pytest.raises(EvalError, match=r"5 answers in a row failed.*no"),
    ):
        replay(server, requests(*range(0, 300, 10)))
    assert len(server.questions) < 10


def test_models_are_loaded_before_anything_is_measured(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        made = Replay(
            Asker(Address(path=server.server_address)), Watts(), Sampling(), 1.0, False, print
        )
        asyncio.run(made.meet(["big", "mini"], ["mini"]))
        assert [(body["model"], "input" in body) for body in server.asked] == [
            ("big", False),
            ("mini", True),
        ]
        server.speak = lambda _: (404, "no such model")
        with pytest.raises(EvalError, match=r"big does not answer.*no such model"):
            asyncio.run(made.meet(["big"]))
