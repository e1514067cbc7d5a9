"""Comparisons of answers, in idle and cool time and within a budget of joules."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Constraint, Sampling
from edge_rt.core.errors import EdgeError, RequestError
from edge_rt.core.events import Delta
from edge_rt.core.logs import Trouble
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import Call, Cost, Event, Plan
from edge_rt.generation.cache.semantic import Comparison, SemanticCache, same_text

WAITING = 256  # comparisons; of more the oldest go
LONGEST = 1000  # characters of a text that is judged
REST_S = 1.0  # between looks whether there is time
RETRY_S = 30.0  # after a verdict that could not be had
PERIOD_S = 3600.0
UNKNOWN = 60  # verdicts of a period, where the joules of one are not known
_ASK = """Question 1: {}
Answer 1: {}

Question 2: {}
Answer 2: {}

{} Answer yes or no."""
_CHECKS = (  # each with what has to be said; a model that always says the same never agrees
    ("Is answer 1 a right and complete answer to question 2, too?", "yes"),
    ("Would answer 1 be wrong or incomplete as an answer to question 2?", "no"),
)
log = logging.getLogger(__name__)


class Comparing:
    """Learns from answers to near questions: the same text is the same, of others a model judges.

    All wait for their turn, so that what is learnt does not depend on which kind is quicker.
    """

    def __init__(
        self,
        cache: SemanticCache,
        judge: str,
        hourly_j: float,
        occupancy: Occupancy,
        cool: Callable[[], bool],
        render: Callable[[str, ChatPrompt], Awaitable[str]],
        generate: Callable[[Call], AsyncGenerator[Event, None]],
        clock: Callable[[], float],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`judge` is the model that judges, for at most `hourly_j` joules an hour.

        `cool` is whether nothing holds the board back, `render` writes a prompt of that model, and
        `generate` runs a call, governed and booked as any. `clock` is in seconds.
        """
        self._cache, self._judge, self._hourly_j = cache, judge, hourly_j
        self._occupancy, self._cool = occupancy, cool
        self._render, self._generate = render, generate
        self._clock, self._pause = clock, pause
        self._waiting: deque[Comparison] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._began_s, self._spent_j, self._count = clock(), 0.0, 0
        self._trouble = Trouble(log, "answers to near questions are not compared")
        cache.compare = self.add

    def add(self, comparison: Comparison) -> None:
        """Have two answers compared."""
        self._waiting.append(comparison)
        self._news.set()

    async def run(self) -> None:
        """Compare what comes, as long as this runs."""
        while True:
            self._news.clear()
            while self._waiting:
                comparison = self._waiting[0]
                done = await self._learnt(comparison)
                # Others may have pushed it out.
                if done and self._waiting and self._waiting[0] is comparison:
                    self._waiting.popleft()
            await self._news.wait()

    async def _learnt(self, comparison: Comparison) -> bool:
        """Learn from a comparison; return whether that is done, or can never be."""
        try:
            same = await self._same(comparison)
        except EdgeError as error:
            self._trouble.met(str(error))
            if isinstance(error, RequestError):  # such as texts too long for the model
                return True
            await self._pause(RETRY_S)
            return False
        self._cache.learn(comparison, same)
        return True

    async def _same(self, comparison: Comparison) -> bool:
        """Return whether one answer does for both; raises EdgeError."""
        if same_text(comparison.answer, comparison.other_answer):
            return True
        while self._occupancy.active or not self._cool() or not self._affordable():
            await self._pause(REST_S)
        same = await self._verdict(comparison)
        self._trouble.over()
        return same

    def _affordable(self) -> bool:
        if self._clock() - self._began_s >= PERIOD_S:
            self._began_s, self._spent_j = self._clock(), 0.0
        return self._spent_j < self._hourly_j

    async def _verdict(self, comparison: Comparison) -> bool:
        """Return whether the model holds one answer to do for both; raises EdgeError."""
        near, asked = comparison.neighbour, comparison.asked
        texts = near.text, comparison.other_answer, asked.text, comparison.answer
        self._count += 1
        for check, wanted in _CHECKS:
            content = _ASK.format(*(text[:LONGEST] for text in texts), check)
            messages = [{"role": "user", "content": content}]
            prompt = await self._render(self._judge, ChatPrompt(messages, think="off"))
            if await self._said(prompt) != wanted:
                return False
        return True

    async def _said(self, prompt: str) -> str:
        call = Call(
            plan=Plan(self._judge),
            prompt=prompt,
            special=True,
            sampling=Sampling(temperature=0.0),
            max_tokens=4,
            id=f"compare-{self._count}",
            constraint=Constraint("choice", '["yes", "no"]'),
        )
        said = ""
        self._occupancy.ahead += 1
        try:
            async with aclosing(self._generate(call)) as events:
                async for event in events:
                    if isinstance(event, Delta):
                        said += event.text
                    elif isinstance(event, Cost):
                        unknown_j = self._hourly_j / UNKNOWN
                        self._spent_j += unknown_j if event.energy_j is None else event.energy_j
                        self._cache.verdicts_j += event.energy_j or 0.0
        finally:
            self._occupancy.ahead -= 1
        return said
