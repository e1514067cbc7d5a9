"""What cannot be read is looked for less and less often, and eagerly again after a loss."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from edge_rt.api import service as api
from edge_rt.board.monitor import BoardMonitor
from edge_rt.core.errors import ModelNotFound
from edge_rt.energy.ledger import Book
from edge_rt.energy.meter import EnergyMeter
from edge_rt.governor.budget import EnergySpent
from edge_rt.server.background_tasks import feel, preload, recall, write


class Ended(Exception):
    """The time of the test is over."""


class Board:
    """What can be read at which times; looked at again and again."""

    def __init__(self, *silent: range) -> None:
        self.now = 0.0
        self.looks: list[float] = []
        self._silent = silent

    @property
    def complete(self) -> bool:
        return not any(round(self.now) in silent for silent in self._silent)

    def open(self, hear: object) -> None:
        assert self.now == 0.0

    def reopen(self) -> bool:
        self.looks.append(self.now)
        return False

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        if self.now > 1000:
            raise Ended

    def live(self) -> list[float]:
        """The times of its looks."""
        with pytest.raises(Ended):
            asyncio.run(feel(cast(BoardMonitor, self), lambda meter: None, self.pause))
        return self.looks


def test_what_is_never_there_is_looked_for_less_and_less_often() -> None:
    assert Board(range(2000)).live() == [5, 20, 60, 300, 540, 780]


def test_what_is_there_is_not_looked_for() -> None:
    assert Board().live() == []


def test_what_is_lost_is_looked_for_eagerly_each_time() -> None:
    first, second, third, fourth, *_ = Board(range(400, 425), range(700, 2000)).live()
    assert first - 400 <= 10
    assert second == first + 15
    assert third - 700 <= 10
    assert fourth == third + 15


def test_requests_are_written_together_with_the_joules_of_their_time() -> None:
    told: list[str] = []

    class Asked:
        def post(self) -> None:
            told.append("post")

        def flush(self) -> None:
            told.append("flush")

    async def pause(_: float) -> None:
        if len(told) == 4:
            raise Ended

    asked = Asked()
    with pytest.raises(Ended):
        asyncio.run(write(cast(Book, asked), cast(EnergyMeter, asked), pause))
    assert told == ["post", "flush"] * 2


def test_what_was_spent_is_recalled_again_and_again() -> None:
    told: list[str] = []

    class Asked:
        async def recall(self) -> None:
            told.append("recall")

    async def pause(_: float) -> None:
        if len(told) > 2:
            raise Ended

    with pytest.raises(Ended):
        asyncio.run(recall(cast(EnergySpent, Asked()), pause))
    assert told == ["recall"] * 3


def test_what_cannot_be_preloaded_holds_up_neither_the_rest_nor_the_daemon() -> None:
    tried = list[str]()

    class Service:
        async def preload(self, model: str) -> None:
            assert not done.is_set()
            tried.append(model)
            if model == "absent":
                raise ModelNotFound("no model absent")

    done = asyncio.Event()
    asyncio.run(preload(cast(api.Service, Service()), ["absent", "tiny"], done))
    assert tried == ["absent", "tiny"]
    assert done.is_set()
