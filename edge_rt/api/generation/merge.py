"""Several calls of one request as a single stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from edge_rt.api.service import Service
from edge_rt.core.requests import Call, Event

Numbered = tuple[int, Event]


async def run_calls(
    service: Service, calls: list[Call], *, width: int
) -> AsyncGenerator[Numbered, None]:
    """The events of all `calls`, each with the index of its call, as they come.

    At most `width` calls are with the service at once. The first error ends everything; closing
    the generator cancels whatever runs.
    """
    if len(calls) == 1:
        async with aclosing(service.generate(calls[0])) as events:
            async for event in events:
                yield 0, event
        return
    async with aclosing(_run_lanes(service, calls, width)) as numbered:
        async for item in numbered:
            yield item


async def _run_lanes(
    service: Service, calls: list[Call], width: int
) -> AsyncGenerator[Numbered, None]:
    lanes = min(width, len(calls))
    queue: asyncio.Queue[Numbered | Exception | None] = asyncio.Queue(maxsize=lanes)
    waiting = iter(enumerate(calls))  # shared: each lane takes the next call when it is free
    tasks = [asyncio.ensure_future(_lane(service, waiting, queue)) for _ in range(lanes)]
    try:
        while lanes:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                lanes -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _lane(
    service: Service,
    waiting: Iterator[tuple[int, Call]],
    queue: asyncio.Queue[Numbered | Exception | None],
) -> None:
    try:
        for index, call in waiting:
            async with aclosing(service.generate(call)) as events:
                async for event in events:
                    await queue.put((index, event))
    except Exception as error:
        await queue.put(error)
    else:
        await queue.put(None)
