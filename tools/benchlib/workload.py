"""The requests of one round, and what they measured."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

from benchlib.chat import Reply, ask
from benchlib.http import Address
from benchlib.prompts import Prompts


@dataclass(frozen=True)
class Amounts:
    """How much a round asks for. Counts of requests, and of tokens in an answer."""

    warm_up_tokens: int = 8
    ttft: int = 8
    alone: int = 4  # answers one after the other
    alone_tokens: int = 128
    batches: int = 2  # of concurrent answers, for each count of streams
    streams: tuple[int, ...] = (4, 8)
    stream_tokens: int = 96
    prefill: int = 4

    @property
    def short(self) -> int:
        """Short prompts that a round uses."""
        return 1 + self.ttft + self.alone + self.batches * sum(self.streams)


class Asker:
    """Sends one prompt after the other to one server, from the start again when all were sent."""

    def __init__(self, address: Address, model: str, prompts: Prompts) -> None:
        self._address, self._model = address, model
        self._short, self._long = cycle(prompts.short), cycle(prompts.long)
        self.replies: list[Reply] = []

    async def short(self, tokens: int) -> Reply:
        """One question, `tokens` of an answer."""
        return await self._ask(next(self._short), tokens)

    async def long(self) -> Reply:
        """One long text and a single token."""
        return await self._ask(next(self._long), 1)

    async def _ask(self, prompt: str, tokens: int) -> Reply:
        reply = await ask(self._address, self._model, prompt, tokens)
        self.replies.append(reply)
        return reply

    async def together(self, streams: int, tokens: int) -> list[Reply]:
        """So many questions at once."""
        return list(await asyncio.gather(*(self.short(tokens) for _ in range(streams))))


async def ttft_s(asker: Asker, amounts: Amounts) -> float:
    """Median time to the first token of a short question."""
    return statistics.median([(await asker.short(2)).ttft_s for _ in range(amounts.ttft)])


async def decode_alone(asker: Asker, amounts: Amounts) -> float:
    """Median tokens/s of answers one after the other, first tokens aside."""
    replies = [await asker.short(amounts.alone_tokens) for _ in range(amounts.alone)]
    return statistics.median(reply.decode_tokens_per_s for reply in replies)


async def decode_together(asker: Asker, streams: int, amounts: Amounts) -> float:
    """Median tokens/s of all of `streams` concurrent answers together."""
    runs = [await asker.together(streams, amounts.stream_tokens) for _ in range(amounts.batches)]
    return statistics.median(aggregate(replies) for replies in runs)


def aggregate(replies: Sequence[Reply]) -> float:
    """Tokens after the first of each reply, over the time from the first to the last text of all.

    The reading of the other prompts falls into that time, as it does for a user.
    """
    tokens = sum(reply.completion_tokens - 1 for reply in replies)
    return tokens / (max(r.last_s for r in replies) - min(r.first_s for r in replies))


async def prefill(asker: Asker, amounts: Amounts) -> float:
    """Median tokens/s at which long prompts are read."""
    replies = [await asker.long() for _ in range(amounts.prefill)]
    return statistics.median(reply.prefill_tokens_per_s for reply in replies)


async def settled_decode(
    asker: Asker,
    settle_s: float,
    measure_s: float,
    tokens: int = 64,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Tokens/s of answers one after the other, those begun within `settle_s` left out."""
    start, made, spent = clock(), 0, 0.0
    while clock() < start + settle_s + measure_s or not made:
        counts = clock() >= start + settle_s
        reply = await asker.short(tokens)
        if counts:
            made, spent = made + tokens - 1, spent + reply.last_s - reply.first_s
    return made / spent
