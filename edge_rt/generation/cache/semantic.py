"""Answers to questions that mean the same."""

from __future__ import annotations

import asyncio
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from edge_rt.core.cached import Kept, Which, digest
from edge_rt.core.errors import Unavailable
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.tables import Vector, cosine, nearest, restored
from edge_rt.generation.cache.verified import Figures, Verifier, doubt, figures

LEAST = 0.8  # cosine of what is looked at
WRONG = 0.005  # of the requests, where nobody says otherwise
_LOOKS = 4  # neighbours whose words are compared
_MANY = 2000  # vectors that are compared beside the requests
_TINY = 300  # characters of all texts together that are compared at once
_BATCH = 512  # entries read at a time
_ENCODER = msgspec.msgpack.Encoder()

T = TypeVar("T")


class Question(NamedTuple):
    """A question whose answer may serve for another one of the same meaning.

    Questions of one `scope` differ in their text alone: they share model, settings, system prompt,
    earlier messages, all else that an answer depends on, and the model of the vector. `space` is
    that model.
    """

    scope: bytes
    text: str
    vector: Vector
    space: bytes = b""


class Neighbour(NamedTuple):
    """A question that was answered under `key`, and what tells it from the one that is asked.

    The answer serves with log-odds of at least `lower`; `passes` is whether it may be given.
    """

    key: bytes
    text: str
    cosine: float
    figures: Figures
    lower: float
    passes: bool

    @property
    def doubt(self) -> float:
        """The chance, at most, that the answer is wrong."""
        return doubt(self.lower)


class Comparison(NamedTuple):
    """A question that a model answered, and the answer that its neighbour would have given."""

    asked: Question
    kept: Kept
    answer: str
    neighbour: Neighbour
    other_answer: str


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    scope: bytes
    text: str
    numbers: bytes


class _Compared(msgspec.Struct, frozen=True, array_like=True):
    space: bytes
    figures: Figures
    lower: float
    same: bool


_DECODER = msgspec.msgpack.Decoder(_Entry)
_COMPARED = msgspec.msgpack.Decoder(_Compared)


class SemanticCache:
    """Questions that were answered, by what they mean; their answers are kept elsewhere.

    Which of these answers serve other questions is learnt from comparisons, which are kept with
    the questions, without their text.

    Vectors are in memory, those of the last `most` questions; texts and vectors in a file of their
    own, which is bounded, outlives restarts and may be damaged like that of the answers. Of a file
    from before it knows what `run` has read so far.
    """

    def __init__(self, store: ExactCache, *, most: int, wrong: float = WRONG) -> None:
        """`store` is the file, for nothing else; `wrong` is the rate that is allowed."""
        self._store, self._most, self._wrong = store, most, wrong
        self._verifiers: dict[bytes, Verifier] = {}  # by space
        self.compare: Callable[[Comparison], None] = self.compare_exactly
        self.compared: Counter[str] = Counter()  # since the start, by verdict
        self.verdicts_j = 0.0  # joules that these took, as far as known
        self._learnt: set[bytes] = set()  # comparisons by their keys
        self.trouble = store.trouble
        self._scopes: dict[bytes, dict[bytes, Vector]] = {}
        self._scope_of: dict[bytes, bytes] = {}  # by key, the newest last
        self._to_read = asyncio.Event()
        self._to_read.set()

    def __len__(self) -> int:
        return len(self._scope_of)

    async def find(self, asked: Question) -> Neighbour | None:
        """Return the near question whose answer serves this one with the best odds, if any."""
        here = self._scopes.get(asked.scope, {})
        among = list(here), list(here.values())  # which change while another thread compares
        if len(here) > _MANY:
            near = await asyncio.to_thread(nearest, asked.vector, *among, LEAST, _LOOKS)
        else:
            near = nearest(asked.vector, *among, LEAST, _LOOKS)
        found = [(key, entry) for _, key in near if (entry := await self._read(key, asked.scope))]
        verifier = self.verifier(asked.space)
        if len(asked.text) + sum(len(entry.text) for _, entry in found) > _TINY:
            return await asyncio.to_thread(_best, asked, found, verifier)
        return _best(asked, found, verifier)

    def count(self, space: bytes, hit: bool) -> None:
        """Count a request for which an answer was looked for."""
        self.verifier(space).count(hit)

    def compare_exactly(self, comparison: Comparison) -> None:
        """Learn whether the two answers are the same text but for case, spaces and their end."""
        self.learn(comparison, same_text(comparison.answer, comparison.other_answer))

    def learn(self, comparison: Comparison, same: bool) -> None:
        """Learn whether the neighbour's answer would have served, and keep that."""
        near, space, kept = comparison.neighbour, comparison.asked.space, comparison.kept
        compared = _Compared(space, near.figures, near.lower, same)
        key, content = digest("compared", kept.key, near.key), _ENCODER.encode(compared)
        self._store.keep(replace(kept, key=key, content=content))
        self._learnt.add(key)
        self.verifier(space).learn(near.figures, near.lower, same)
        self.compared["same" if same else "different"] += 1

    def comparisons(self) -> int:
        """Return how many comparisons bear the present bounds."""
        return sum(map(len, self._verifiers.values()))

    def verifier(self, space: bytes) -> Verifier:
        """Return what tells, of vectors of one model, which answers may be given."""
        return self._verifiers.setdefault(space, Verifier(self._wrong))

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
        self._scopes, self._scope_of, self._verifiers, self._learnt = {}, {}, {}, set()
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
            entry = None if kept.key in self._scope_of else _decoded(_DECODER, kept)
            compared = _decoded(_COMPARED, kept) if entry is None else None
            if entry is not None:
                self._put(kept.key, entry.scope, restored(entry.numbers))
            elif compared is not None and kept.key not in self._learnt:
                self._learnt.add(kept.key)
                verifier = self.verifier(compared.space)
                verifier.learn(compared.figures, compared.lower, compared.same)

    def _put(self, key: bytes, scope: bytes, vector: Vector) -> None:
        if len(self) >= self._most:
            self.forget(next(iter(self._scope_of)))
        self._scopes.setdefault(scope, {})[key] = vector
        self._scope_of[key] = scope

    async def _read(self, key: bytes, scope: bytes) -> _Entry | None:
        """Return the entry of a key; forget it if its scope is not `scope`."""
        kept = await self._store.find(key)
        entry = None if kept is None else _decoded(_DECODER, kept)
        if entry is not None and entry.scope == scope:
            return entry
        self.forget(key)
        return None


def same_text(one: str, other: str) -> bool:
    """Return whether two answers are the same text but for case, spaces and their end."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(words).rstrip(".!\u3002 ")


def _best(
    asked: Question, found: Iterable[tuple[bytes, _Entry]], verifier: Verifier
) -> Neighbour | None:
    near = [_neighbour(asked, key, entry, verifier) for key, entry in found]
    return max(near, key=lambda one: one.lower, default=None)


def _neighbour(asked: Question, key: bytes, entry: _Entry, verifier: Verifier) -> Neighbour:
    near = cosine(asked.vector, restored(entry.numbers))
    told = figures(near, asked.text, entry.text, key)
    lower = verifier.lower(told)
    return Neighbour(key, entry.text, near, told, lower, verifier.passes(lower))


def _decoded(decoder: msgspec.msgpack.Decoder[T], kept: Kept) -> T | None:
    try:
        return decoder.decode(kept.content)
    except ValueError:  # something else, or of another version
        return None
