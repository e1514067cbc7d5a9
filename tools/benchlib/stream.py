"""Answers one after the other in the background, and how fast they came at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from benchlib.chat import Refused, Reply
from benchlib.workload import Asker

WINDOW_S = 1.0
_STEP_S = 0.05
_LATER_S = 0.5


@asynccontextmanager
async def streaming(asker: Asker, tokens: int) -> AsyncGenerator[None]:
    """Ask for `tokens` again and again while the block runs; the last answer is waited for.

    `asker` keeps the replies. Who is refused asks again a little later. Another error of the
    server is the block's.
    """
    stop = False

    async def ask() -> None:
        while not stop:
            try:
                await asker.short(tokens)
            except Refused:
                await asyncio.sleep(_LATER_S)

    task = asyncio.create_task(ask())
    try:
        yield
        stop = True
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def rate(replies: Sequence[Reply], begin_s: float, end_s: float) -> float:
    """Tokens a second of all `replies` between two times of the client's clock."""
    made = sum(reply.tokens_between(begin_s, end_s) for reply in replies)
    return made / (end_s - begin_s)


def recovered_s(
    speed: Callable[[float, float], float], begin_s: float, end_s: float, wanted: float
) -> float | None:
    """Seconds after `begin_s` until a window of WINDOW_S begins that has the speed `wanted`.

    `speed` is the tokens a second between two times; None: no window up to `end_s` has it.
    """
    steps = int((end_s - WINDOW_S - begin_s) / _STEP_S + 1e-6)
    starts = (begin_s + step * _STEP_S for step in range(steps + 1))
    first = next((s for s in starts if speed(s, s + WINDOW_S) >= wanted), None)
    return None if first is None else first - begin_s
