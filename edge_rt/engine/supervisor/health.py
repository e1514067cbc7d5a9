"""Whether an answer can be made: by making one token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from edge_rt.core.errors import EngineError
from edge_rt.decoding.params import Sampling
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.model_pool import ModelPool, Resident
from edge_rt.engine.protocol import Embed, Generate

FRESH_S = 5.0  # seconds for which a proof is good
PATIENCE_S = 15.0
SLOW = 0.05  # duty of an engine that would take too long over a token


class EngineHealth:
    """Makes one real token, or vector, on the model used last.

    While answers are made, their progress is the proof. While no model is loaded, or while the
    governor slows the engine to a few percent, an answer of the decode loop is enough.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[EngineClient]],
        pool: ModelPool,
        clock: Callable[[], float],
    ) -> None:
        """`connect` gives the live engine, `clock` seconds."""
        self._connect = connect
        self._pool = pool
        self._clock = clock
        self._lock = asyncio.Lock()  # one proof serves all who ask at the same time
        self._proof: dict[str, object] = {}
        self._proved_s = float("-inf")

    @property
    def proving(self) -> bool:
        """Whether a proof is being made."""
        return self._lock.locked()

    async def prove(self) -> dict[str, object]:
        """The proof, at most FRESH_S old; raises Unavailable or EngineError."""
        async with self._lock:
            if self._clock() - self._proved_s > FRESH_S:
                try:
                    self._proof = await asyncio.wait_for(self._proved(), PATIENCE_S)
                except asyncio.TimeoutError:
                    raise EngineError(f"no token came within {PATIENCE_S:.0f} s") from None
                self._proved_s = self._clock()
            return self._proof

    async def _proved(self) -> dict[str, object]:
        """The proof of an engine; one that is ended from outside meanwhile does not count."""
        while True:
            try:
                return await self._prove()
            except EngineLost as lost:
                if not (await lost.exit_reason()).outside:
                    raise

    async def _prove(self) -> dict[str, object]:
        client = await self._connect()
        first = await client.ping()
        if first.duty < SLOW:
            return _proof(None, "the decode loop answers; the governor holds it back")
        if first.running:  # a ping is answered between two passes
            await client.ping()
            second = await client.ping()
            if second.steps > first.steps:
                return _proof(None, "answers are being made")
        resident = max(self._pool.residents(), key=lambda r: r.used_s, default=None)
        if resident is None:
            return _proof(None, "the decode loop answers")
        with self._pool.hold(resident):
            return await _one_answer(resident)


def _proof(model: str | None, what: str) -> dict[str, object]:
    return {"status": "ok", "model": model, "proof": what}


async def _one_answer(resident: Resident) -> dict[str, object]:
    model = resident.wanted.model.partition("@")[0]
    kind = resident.wanted.spec.kind
    if kind == "tensors":  # what it takes, only its users know
        return _proof(None, "the decode loop answers")
    if kind == "embedding":
        await _one_embedding(resident)
        return _proof(model, "one text embedded")
    await _one_token(resident)
    return _proof(model, "one token made")


async def _one_embedding(resident: Resident) -> None:
    async with aclosing(
        resident.client.perform(lambda id: Embed(id, resident.wanted.model, ["Hello"]))
    ) as events:
        async for _ in events:
            pass


async def _one_token(resident: Resident) -> None:
    sampling = Sampling(temperature=0.0, seed=0)

    def request(id: int) -> Generate:
        return Generate(id, resident.wanted.model, "Hello", False, sampling, max_tokens=1)

    async with aclosing(resident.client.generate(request)) as events:
        async for _ in events:
            pass
