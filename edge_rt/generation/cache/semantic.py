"""Answers to questions that mean the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from edge_rt.core.cached import Kept, Which
from edge_rt.core.errors import Unavailable
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.guards import apart
from edge_rt.generation.cache.tables import Vector, cosine, doubt, nearest, restored
from edge_rt.generation.cache.wording import Wording, wording

LEAST = 0.8  # cosine of what is looked at
LIMIT = 0.125  # of the doubt, where nobody says otherwise
_LOOKS = 4  # neighbours whose words are compared
_MANY = 2000  # vectors that are compared beside the requests
_TINY = 300  # characters of all texts together that are compared at once
_BATCH = 512  # entries read at a time
_ENCODER = msgspec.msgpack.Encoder()


class Question(NamedTuple):
    """A question whose answer may serve for another one of the same meaning.

    Questions of one `scope` differ in their text alone: they share model, settings, system prompt,
    earlier messages, all else that an answer depends on, and the model of the vector.
    """

    scope: bytes
    text: str
    vector: Vector


class Neighbour(NamedTuple):
    """A question that was answered under `key`, and how near it lies; see `judge`."""

    key: bytes
    text: str
    cosine: float
    doubt: float


class Verdict(NamedTuple):
    """How near two texts lie. `guard` forbids the answer to one for the other, None: none does.

    `doubt` estimates how likely that would be wrong; it is 1 where a guard forbids it.
    """

    cosine: float
    guard: str | None
    doubt: float

    def passes(self, limit: float) -> bool:
        """Return whether one answer does for both, with no more doubt than `limit`."""
        return self.guard is None and self.cosine >= LEAST and self.doubt <= limit


def judge(one: tuple[Wording, Vector], other: tuple[Wording, Vector]) -> Verdict:
    """Hold two texts against each other."""
    near = cosine(one[1], other[1])
    guard = apart(one[0], other[0])
    return Verdict(near, guard, 1.0 if guard is not None else doubt(near, one[0], other[0]))


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    scope: bytes
    text: str
    numbers: bytes


_DECODER = msgspec.msgpack.Decoder(_Entry)


class SemanticCache:
    """Questions that were answered, by what they mean; their answers are kept elsewhere.

    Vectors are in memory, those of the last `most` questions; texts and vectors in a file of their
    own, which is bounded, outlives restarts and may be damaged like that of the answers. Of a file
    from before it knows what `run` has read so far.
    """

    def __init__(self, store: ExactCache, *, most: int, limit: float = LIMIT) -> None:
        """`store` is the file, for nothing else; `limit` is of the doubt."""
        self._store, self._most, self._limit = store, most, limit
        self.trouble = store.trouble
        self._scopes: dict[bytes, dict[bytes, Vector]] = {}
        self._scope_of: dict[bytes, bytes] = {}  # by key, the newest last
        self._to_read = asyncio.Event()
        self._to_read.set()

    def __len__(self) -> int:
        return len(self._scope_of)

    async def find(self, asked: Question) -> Neighbour | None:
        """Return the near question with the least doubt whose answer serves this one, if any."""
        here = self._scopes.get(asked.scope, {})
        among = list(here), list(here.values())  # which change while another thread compares
        if len(here) > _MANY:
            near = await asyncio.to_thread(nearest, asked.vector, *among, LEAST, _LOOKS)
        else:
            near = nearest(asked.vector, *among, LEAST, _LOOKS)
        found = [(key, entry) for _, key in near if (entry := await self._read(key, asked.scope))]
        if len(asked.text) + sum(len(entry.text) for _, entry in found) > _TINY:
            return await asyncio.to_thread(_best, asked, found, self._limit)
        return _best(asked, found, self._limit)

    def keep(self, answer: Kept, asked: Question) -> None:
        """Remember that `asked` got that answer."""
        entry = _Entry(asked.scope, asked.text, asked.vector.numbers)
        self._store.keep(replace(answer, content=_ENCODER.encode(entry)))
        self.forget(answer.key)
        self._put(answer.key, asked.scope, asked.vector)

    def forget(self, key: bytes) -> None:
        scope = self._scope_of.pop(key, None)
        if scope is not None:
            here = self._scopes[scope]
            del here[key]
            if not here:
                del self._scopes[scope]

    async def purge(self, which: Which) -> None:
        """Forget `which` questions, as of the answers."""
        await self._store.purge(which)
        self._scopes, self._scope_of = {}, {}
        self._to_read.set()

    async def run(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Read the kept questions from the file, then write new ones to it until cancelled."""
        await asyncio.gather(self._store.run(pause), self._reading(pause))

    async def close(self) -> None:
        """Write all there is, and let go of the file."""
        await self._store.close()

    async def _reading(self, pause: Callable[[float], Awaitable[object]]) -> None:
        while True:
            await self._to_read.wait()
            self._to_read.clear()
            try:
                async for some in self._store.pages(_BATCH):
                    if self._to_read.is_set():
                        break
                    self._take(some)
            except Unavailable as error:
                await pause(error.retry_after_s or 0.0)
                self._to_read.set()

    def _take(self, some: Iterable[Kept]) -> None:
        for kept in some:
            entry = None if kept.key in self._scope_of else _entry(kept)
            if entry is not None:
                self._put(kept.key, entry.scope, restored(entry.numbers))

    def _put(self, key: bytes, scope: bytes, vector: Vector) -> None:
        if len(self) >= self._most:
            self.forget(next(iter(self._scope_of)))
        self._scopes.setdefault(scope, {})[key] = vector
        self._scope_of[key] = scope

    async def _read(self, key: bytes, scope: bytes) -> _Entry | None:
        """Return the entry of a key; forget it if its scope is not `scope`."""
        kept = await self._store.find(key)
        entry = None if kept is None else _entry(kept)
        if entry is not None and entry.scope == scope:
            return entry
        self.forget(key)
        return None


def _best(asked: Question, found: Iterable[tuple[bytes, _Entry]], limit: float) -> Neighbour | None:
    mine = wording(asked.text), asked.vector
    best: Neighbour | None = None
    for key, entry in found:
        verdict = judge(mine, (wording(entry.text), restored(entry.numbers)))
        if verdict.passes(limit) and (best is None or verdict.doubt < best.doubt):
            best = Neighbour(key, entry.text, verdict.cosine, verdict.doubt)
    return best


def _entry(kept: Kept) -> _Entry | None:
    try:
        return _DECODER.decode(kept.content)
    except ValueError:  # of another version
        return None
