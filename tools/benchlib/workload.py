"""The requests of one round, and what they measured."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from benchlib import BenchError
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
    batches: int = 3  # of concurrent answers, for each count of streams
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


@dataclass(frozen=True)
class Together:
    """Speed of concurrent answers, in tokens/s of all of them."""

    decode: float  # while all of them decode
    throughput: float  # of the whole, prompts and the uneven ends included


async def together(asker: Asker, streams: int, amounts: Amounts) -> Together:
    """Medians of batches of `streams` concurrent answers."""
    runs = [await asker.together(streams, amounts.stream_tokens) for _ in range(amounts.batches)]
    return Together(
        statistics.median(decode_rate(replies) for replies in runs),
        statistics.median(throughput(replies) for replies in runs),
    )


def decode_rate(replies: Sequence[Reply]) -> float:
    """Tokens/s while all of `replies` were decoded: from the last first text to the first last one.

    A longer window would hold the reading of prompts, and punish whoever answers one early.
    Raises BenchError when they were not decoded at the same time.
    """
    start_s, end_s = max(r.first_s for r in replies), min(r.last_s for r in replies)
    if end_s <= start_s:
        raise BenchError(f"{len(replies)} concurrent answers were not decoded at the same time")
    return sum(reply.tokens_between(start_s, end_s) for reply in replies) / (end_s - start_s)


def throughput(replies: Sequence[Reply]) -> float:
    """Return all tokens made over the time from the first request to the last text."""
    span_s = max(r.last_s for r in replies) - min(r.sent_s for r in replies)
    return sum(reply.completion_tokens for reply in replies) / span_s


async def prefill(asker: Asker, amounts: Amounts) -> float:
    """Median tokens/s at which long prompts are read."""
    replies = [await asker.long() for _ in range(amounts.prefill)]
    return statistics.median(reply.prefill_tokens_per_s for reply in replies)
