"""Answers as the cache keeps them, and those that are being made for several requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from edge_rt.core.chat_format import Reading
from edge_rt.core.reports.board import Quality
from edge_rt.decoding.params import Made, Mode, TokenLogprob
from edge_rt.engine.protocol import Delta, Finished, Started, Timings


class Flights:
    """Tracks questions under way, by keys of the cache, and tells when each has ended.

    Nobody waits for ever: a client that does not read its answer is cut off.
    """

    def __init__(self) -> None:
        self._flying: dict[bytes, asyncio.Future[bool]] = {}  # whether it ended well

    @contextmanager
    def made(self, key: bytes) -> Generator[None, None, None]:
        """While the answer of that key is being made; the first who makes it counts."""
        ended = asyncio.get_running_loop().create_future()
        first = self._flying.setdefault(key, ended) is ended
        well = False
        try:
            yield
            well = True
        finally:
            if first:
                del self._flying[key]
                ended.set_result(well)

    async def landed(self, key: bytes) -> bool:
        """Wait for the answer of that key; False where nobody makes it.

        Where it failed or its client left, one of the waiting requests is told so, to make it.
        """
        while (ended := self._flying.get(key)) is not None:
            if await asyncio.shield(ended):
                return True
        return False


class _Line(msgspec.Struct, frozen=True, array_like=True, tag=True):
    call: int


class Begin(_Line, frozen=True, tag=0):
    """What Started told."""

    prompt_tokens: int
    cached_tokens: int

    def event(self) -> Started:
        """Return the event that it was made of."""
        return Started(0, self.prompt_tokens, self.cached_tokens)


class Piece(_Line, frozen=True, tag=1):
    """What a Delta told; of its tokens, how many."""

    index: int
    text: str
    tokens: int
    logprobs: list[TokenLogprob]

    def event(self) -> Delta:
        """Return the event that it was made of, without the tokens' ids."""
        return Delta(0, self.index, self.text, [0] * self.tokens, self.logprobs)


class End(_Line, frozen=True, tag=2):
    """What Finished told, but for its times."""

    index: int
    reason: str
    tokens: int
    made: Made | None

    def event(self) -> Finished:
        """Return the event that it was made of, with no time taken."""
        timings = Timings(0.0, 0.0, 0.0, 0, 0, self.tokens)
        return Finished(0, self.index, self.reason, timings, made=self.made)


Line = Begin | Piece | End


class KeptContent(msgspec.Struct, frozen=True, array_like=True):
    """All answers to one request, why their model was chosen, and their cost.

    `energy_j` and `seconds` are those of the request when it was made; `simulated` is the simulated
    board whose joules they are, None: a real one's.
    """

    route: str | None
    mode: Mode | None
    energy_j: float | None
    quality: Quality
    seconds: float
    lines: list[Line]
    simulated: str | None = None
    reading: Reading | None = None  # None: all of the text is content

    def on(self, simulated: str | None) -> KeptContent:
        """Return the content for a board, without the joules if another board took them."""
        if self.simulated == simulated:
            return self
        return msgspec.structs.replace(
            self, energy_j=None, quality="unresolved", simulated=simulated
        )


def line(call: int, event: Started | Delta | Finished) -> Line:
    """What to keep of an event of a call."""
    if isinstance(event, Started):
        return Begin(call, event.prompt_tokens, event.cached_tokens)
    if isinstance(event, Delta):
        return Piece(call, event.index, event.text, len(event.tokens), event.logprobs)
    return End(call, event.index, event.reason, event.timings.completion_tokens, event.made)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(KeptContent)


def to_bytes(content: KeptContent) -> bytes:
    """Return the content as the cache keeps it."""
    return _ENCODER.encode(content)


def from_bytes(kept: bytes) -> KeptContent:
    """What `to_bytes` made bytes of."""
    return _DECODER.decode(kept)
