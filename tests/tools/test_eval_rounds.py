"""Who is asked what and when, and what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from benchlib.http import Address
from eval_server import Server, serving
from evallib import EvalError
from evallib.asker import Asker
from evallib.journal import Journal
from evallib.rounds import Rounds, Sampling, Work
from evallib.task import Item, Judged, Row, Task
from evallib.way import Way, chosen, ways

from edge_rt.models.pair import Pair

PAIR = Pair(large="big", small="tiny")
SMALL, LARGE, SWITCH = chosen(ways(PAIR, [0.2]), ["small", "large", "entropy"])


class Echo(Task):
    """Right is the answer "yes"."""

    name = "echo"
    file = "echo.jsonl"
    max_tokens = 5

    def item(self, number: int, row: Row) -> Item:
        raise NotImplementedError

    def judge(self, item: Item, text: str) -> Judged:
        return Judged(text == "yes", text or None)


class OtherEcho(Echo):
    name = "other"


def work(count: int, task: Task | None = None) -> Work:
    return Work(task or Echo(), [Item(f"{n}", f"question {n}", None) for n in range(count)])


def rounds(server: Server, journal: Path, asked: Sequence[Way], *works: Work, **how: int) -> Rounds:
    asker = Asker(Address(path=str(server.server_address)), sleep=lambda _: asyncio.sleep(0))
    told: list[tuple[float, str]] = []
    made = Rounds(
        asker,
        Journal(journal),
        asked,
        Sampling(**how),
        lambda share, doing: told.append((share, doing)),
    )
    try:
        asyncio.run(made.run(works))
    finally:
        made.journal.close()
    return made


def asked_of(server: Server) -> list[tuple[str, str]]:
    """Question and mode, in the order in which they came."""
    return [
        (body["messages"][0]["content"], body.get("edge", {}).get("mode", ""))
        for body in server.questions
    ]


def test_all_ways_answer_a_question_before_the_next_one(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        rounds(server, tmp_path / "j", [SMALL, LARGE, SWITCH], work(2), work(1, OtherEcho()))
    first, other, second = asked_of(server)[:3], asked_of(server)[3:6], asked_of(server)[6:]
    assert {question for question, _ in first + other} == {"question 0"}
    assert {question for question, _ in second} == {"question 1"}
    modes = ["single", "single", "switch:entropy"]
    assert [mode for _, mode in first] == modes
    assert sorted(mode for _, mode in second) == modes
    assert [mode for _, mode in second] != modes  # another one is first


def test_a_request_says_all_that_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        rounds(server, tmp_path / "j", [SWITCH], work(1), seed=3, max_tokens=70)
    (body,) = server.questions
    assert body == {
        "model": "big",
        "messages": [{"role": "user", "content": "question 0"}],
        "max_tokens": 70,
        "temperature": 0.0,
        "seed": 3,
        "edge": {
            "cache": "off",
            "mode": "switch:entropy",
            "partner": "tiny",
            "large_share": 0.2,
        },
    }


def test_between_two_ways_their_models_read_something_else(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        rounds(server, tmp_path / "j", [LARGE, SWITCH], work(1))
    # To meet both, then before each of the two answers to have what was read forgotten.
    greeted = [(body["model"], body["max_tokens"]) for body in server.asked]
    assert greeted[:2] == [("big", 1), ("tiny", 1)]
    assert greeted[2:] == [("big", 1), ("big", 5), ("big", 1), ("tiny", 1), ("big", 5)]


def test_an_answer_is_kept_with_what_it_took(tmp_path: Path) -> None:
    edge = {
        "energy_j": 2.5,
        "power_w": 5.0,
        "temp_c": 50.0,
        "mode": "switch:entropy",
        "small_tokens": 3,
        "large_tokens": 1,
        "switches": 2,
        "catch_up_tokens": 9,
        "accepted_tokens": 0,
        "rejected_tokens": 0,
    }
    with serving(tmp_path / "s", lambda _: "yes", lambda _: edge) as server:
        made = rounds(server, tmp_path / "j", [SWITCH], work(1))
    (record,) = made.found(work(1), SWITCH).values()
    assert (record.correct, record.answer, record.text, record.reason) == (
        True,
        "yes",
        "yes",
        "stop",
    )
    assert {name: getattr(record, name) for name in edge} == edge
    assert (record.prompt_tokens, record.cached_tokens, record.tokens) == (9, 2, 1)
    assert record.key.models == "fp_big,fp_tiny"
    assert record.seconds > 0.0


def test_a_server_that_tells_nothing_of_its_own_is_taken_as_it_is(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        made = rounds(server, tmp_path / "j", [Way("m", "m")], work(1))
    (record,) = made.found(work(1), Way("m", "m")).values()
    assert (record.correct, record.energy_j, record.large_tokens) == (True, None, None)
    assert server.questions[0]["edge"] == {"cache": "off"}


def test_what_is_done_is_not_asked_again(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        rounds(server, tmp_path / "j", [SMALL, LARGE], work(2))
        torn = (tmp_path / "j").read_bytes()[:-9]
        (tmp_path / "j").write_bytes(torn)  # the last answer was being written
        server.asked.clear()
        made = rounds(server, tmp_path / "j", [SMALL, LARGE], work(3))
    assert len(server.questions) == 1 + 2
    assert all(len(made.found(work(3), way)) == 3 for way in (SMALL, LARGE))


@pytest.mark.parametrize("how", [{"seed": 1}, {"max_tokens": 9}])
def test_another_way_of_asking_is_another_question(how: dict[str, int], tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _: "yes") as server:
        rounds(server, tmp_path / "j", [SMALL], work(2))
        rounds(server, tmp_path / "j", [SMALL], work(2), **how)
    assert len(server.questions) == 4


def test_a_failed_request_is_told_and_asked_again_by_the_next_run(tmp_path: Path) -> None:
    broken = True

    def speak(body: dict[str, object]) -> str | tuple[int, str]:
        return (500, "out of order") if broken and "1" in str(body["messages"]) else "yes"

    with serving(tmp_path / "s", speak) as server:
        made = rounds(server, tmp_path / "j", [SMALL], work(3))
        found = made.found(work(3), SMALL)
        assert [bool(record.failed) for record in found.values()] == [False, True, False]
        assert "out of order" in str(found["1"].failed)
        broken = False
        server.asked.clear()
        made = rounds(server, tmp_path / "j", [SMALL], work(3))
    assert asked_of(server) == [("question 1", "single")]
    assert all(record.correct for record in made.found(work(3), SMALL).values())


def test_a_server_that_is_out_of_order_ends_it(tmp_path: Path) -> None:
    def speak(body: dict[str, object]) -> str | tuple[int, str]:
        return "yes" if body["max_tokens"] == 1 else (500, "no")

    with (
        serving(tmp_path / "s", speak) as server,
        pytest.raises(EvalError, match=r"5 answers in a row failed.*no"),
    ):
        rounds(server, tmp_path / "j", [SMALL], work(30))
    assert len(server.questions) == 5


def test_a_model_that_is_not_there_ends_it_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", lambda _: (404, "no model big")) as server,
        pytest.raises(EvalError, match=r"big does not answer: status 404.*no model big"),
    ):
        rounds(server, tmp_path / "j", [LARGE], work(3))
    assert not server.questions


def test_a_server_that_takes_no_request_now_is_asked_again(tmp_path: Path) -> None:
    refused = iter([True, True])

    def speak(_: object) -> str | tuple[int, str]:
        return (503, "too hot") if next(refused, False) else "yes"

    with serving(tmp_path / "s", speak) as server:
        made = rounds(server, tmp_path / "j", [SMALL], work(1))
    assert all(record.correct for record in made.found(work(1), SMALL).values())
    assert len(server.questions) == 1


def test_ways_have_names_and_can_be_chosen_by_them() -> None:
    found = ways(PAIR, [0.1, 0.25])
    names = [way.name for way in found]
    assert names[:4] == ["small", "large", "speculative", "lookup"]
    assert names[4:] == ["entropy@10", "entropy@25", "random@10", "random@25"]
    assert [way.name for way in chosen(found, ["large", "entropy", "random@25"])] == [
        "large",
        "entropy@10",
        "entropy@25",
        "random@25",
    ]
    assert found[-1].edge == {"mode": "switch:random", "partner": "tiny", "large_share": 0.25}
    with pytest.raises(KeyError):
        chosen(found, ["step"])
