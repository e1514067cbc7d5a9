"""Budgets become tokens by counts, and ways are held against each other question by question."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from evallib.asker import Asker, Reply
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.rounds import Work
from evallib.task import Item
from evallib.tasks import Gsm8k
from evals.budget import Answers, TokenCosts, ask_all, judge

PROMPT = 50  # tokens; read at 0.4 each, so a plain answer of 80 tokens takes 100
ITEMS = [Item(str(number), f"Question {number}", "7") for number in range(4)]


class Model:
    """Reasons for 80 tokens, or answers at once and wrongly; fitted, it is right in any room."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        self.asked.append(body)
        room, edge = body["max_tokens"], body["edge"]
        if "Answer only" in body["messages"][0]["content"]:
            return self._reply("#### 8", "stop", 4, {})
        if edge.get("fit") is True:
            return self._reply("#### 7", "length", min(room, 20), {"ended": ["closed"]})
        if room < 80:
            told = {"ended": ["cut"]} if edge.get("fit") else {}
            return self._reply("First,", "length", room, told)
        return self._reply("First, 7", "stop", 80, {})

    def _reply(self, text: str, reason: str, tokens: int, edge: dict[str, Any]) -> Reply:
        return Reply(text, reason, 0.0, 1.0, PROMPT, 0, tokens, "", edge)


@pytest.fixture
def found(tmp_path: Path) -> tuple[list[dict[str, Any]], dict[str, Any], Model]:
    model, work, costs = Model(), Work(Gsm8k(), ITEMS), TokenCosts(0.4)
    journal = Journal(tmp_path / "budget.jsonl")

    async def run() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        answers = Answers(cast(Asker, model), journal, "m", 0, asyncio.Semaphore(2))
        usual = await ask_all(answers, work, [0.25, 0.5], costs)
        assert usual == 100.0
        return judge(answers, work, [0.25, 0.5], costs, usual, Bootstrap(draws=200))

    rows, keys = asyncio.run(run())
    journal.close()
    return rows, keys, model


def test_each_answer_gets_the_tokens_that_its_budget_has_room_for(found: Any) -> None:
    _, _, model = found
    rooms = {(body["messages"][0]["content"], body["max_tokens"]) for body in model.asked}
    assert ("Question 0", 400) in rooms
    assert ("Question 0", 30) in rooms  # 50 of 100, of which the prompt takes 20
    assert ("Question 0\n\nBe brief.", 27) in rooms  # and these words 2.4
    assert ("Question 0", 5) in rooms


def test_ways_are_judged_by_what_they_took_and_how_they_ended(found: Any) -> None:
    rows, keys, _ = found
    by_name = {row["name"]: row for row in rows}
    cut, ours = by_name["cut@50%"], by_name["ours@50%"]
    assert (cut["accuracy"]["value"], cut["complete"]["value"], cut["kept"]["value"]) == (0, 0, 1)
    assert (ours["accuracy"]["value"], ours["complete"]["value"]) == (1, 1)
    assert by_name["plain"]["joules"]["value"] == 1.0
    assert (keys["budget_kept"], keys["budget_complete"]) == (1.0, 1.0)
    assert keys["budget_gain"]["value"] == 1.0


def test_what_the_journal_has_is_not_asked_again(tmp_path: Path) -> None:
    def run() -> int:
        model, journal = Model(), Journal(tmp_path / "budget.jsonl")

        async def ask() -> None:
            answers = Answers(cast(Asker, model), journal, "m", 0, asyncio.Semaphore(2))
            await ask_all(answers, Work(Gsm8k(), ITEMS), [0.5], TokenCosts(0.4))

        asyncio.run(ask())
        journal.close()
        return len(model.asked)

    assert run() == 4 * 6
    assert run() == 0
