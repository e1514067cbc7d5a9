"""A toy model that notices every misuse of its KV, and a front that collects what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from duo import Duo, TextToy
from heard import Heard, Listener
from hypothesis import strategies as st
from numpy.typing import NDArray
from worker_stage import Stage

from edge_rt.backends.base import Batch, InfillMarks, fingerprint
from edge_rt.core.cached import Which
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import EngineError
from edge_rt.decoding.sampler import Sampler
from edge_rt.engine.kv.checkpoints import Keyed
from edge_rt.engine.kv.prefixes import PrefixTarget
from edge_rt.engine.protocol import (
    EngineWork,
    Generate,
    ModelSpec,
    WorkShare,
)
from edge_rt.engine.scheduler.inputs import Outbox
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.scheduler.scheduler import Scheduler

EOS, BOS = 0, 1
# Pieces of several letters, and both bytes of one character apart, so that text is held back.
PIECES = [b"", b"", b"\xc3", b"\xa9", b" ", b"ab", b"abc", b"\xff"]
PIECES += [bytes([c]) for c in b"abcdefghijklmnopqrstuvwxyz.,!?"]
VOCAB = len(PIECES)
_WORD = (1 << 64) - 1


def digest(history: Sequence[int]) -> int:
    """A number that depends on every token of `history` and on their order."""
    value = 7
    for token in history:
        value = ((value ^ (token + 1)) * 0x9E3779B97F4A7C15 + 0x6A09E667F3BCC909) & _WORD
        value ^= value >> 29
    return value


def _noise(history: Sequence[int], size: int) -> NDArray[np.float32]:
    """Numbers from 0 to 1 that are a pure function of all the tokens before."""
    ids = np.arange(size, dtype=np.uint64)
    mixed = (ids + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(digest(history))
    mixed *= np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def toy_logits(
    history: Sequence[int], quirk: int = 0, size: int = len(PIECES)
) -> NDArray[np.float32]:
    """The toy model: logits are a pure function of all the tokens before.

    One with a `quirk` is often of another mind than the one without.
    """
    logits = _noise(history, size) * np.float32(6)
    if quirk:
        logits += _noise([size + quirk, *history], size) * np.float32(3)
    logits[EOS] -= np.float32(0.5)
    return logits


class FakeMarks:
    """Marks of sequences of a recurrent model: the lengths, and whether they are passing."""

    def __init__(self, held: list[list[int]]) -> None:
        self.lengths: list[dict[int, bool]] = [{} for _ in held]
        self._held = held

    def reach(self, seq: int, length: int) -> int:
        held = len(self._held[seq])
        return max(at for at in (*self.lengths[seq], 0, held) if at <= length)

    def put(self, seq: int, *, passing: bool = False) -> None:
        lasting = [at for at, passes in self.lengths[seq].items() if not passes]
        self.lengths[seq] = dict.fromkeys(lasting, False)
        self.lengths[seq].setdefault(len(self._held[seq]), passing)

    def forget(self, seq: int) -> None:
        """Forget the marks behind what the sequence holds."""
        held = len(self._held[seq])
        self.lengths[seq] = {at: passes for at, passes in self.lengths[seq].items() if at <= held}


class FakeBackend:
    """The toy model as a Backend; every sequence remembers the tokens that it was fed."""

    def __init__(
        self,
        *,
        context: int = 96,
        sequences: int = 3,
        batch: int = 64,
        recurrent: bool = False,
        outputs: int = 0,
        quirk: int = 0,
        pieces: Sequence[bytes] = PIECES,
    ) -> None:
        self.pieces = list(pieces)
        self.vocab = len(pieces)
        self.longest_piece = max(map(len, pieces))
        self.infill: InfillMarks | None = None
        self.fingerprint = fingerprint(pieces)
        self.outputs = max(outputs, sequences)
        self.quirk = quirk
        self.context = context
        self.sequences = sequences
        self.batch = Batch(batch)
        self.recurrent = recurrent
        self.held: list[list[int]] = [[] for _ in range(sequences)]
        self.marks = FakeMarks(self.held) if recurrent else None
        self.passes: list[list[tuple[int, int]]] = []  # (sequence, tokens) by pass
        self.copies = self.restores = 0
        self.refuses = False  # what was saved
        self.threads = 0
        self.closed = False
        self.failures: list[Exception] = []  # raised by the next passes
        self.poison: Callable[[list[int]], bool] = lambda history: False  # NaN logits where true
        self._logits: dict[int, NDArray[np.float32]] = {}

    @property
    def fed(self) -> int:
        """Tokens of all passes together."""
        return sum(count for one in self.passes for _, count in one)

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        if not begins:
            return self.tokenize(text, special=special)[1:]
        tokens = [BOS]
        while text:
            if special and text.startswith("<eos>"):
                tokens, text = [*tokens, EOS], text[5:]
            else:
                tokens, text = [*tokens, self.pieces.index(text[0].encode())], text[1:]
        return tokens if len(tokens) > 1 else []

    def piece(self, token: int) -> bytes:
        return self.pieces[token]

    def mark(self, token: int) -> bytes:
        return {EOS: b"<eos>", BOS: b"<bos>"}.get(token, b"")

    def ends(self, token: int) -> bool:
        return token == EOS

    def forward(self) -> None:
        assert not self.closed
        assert 0 < self.batch.size <= self.batch.capacity
        if self.failures:
            raise self.failures.pop(0)
        self._logits.clear()
        counts: dict[int, int] = defaultdict(int)
        for row in range(self.batch.size):
            seq = int(self.batch.seq[row])
            assert self.batch.pos[row] == len(self.held[seq]), "positions must be contiguous"
            self.held[seq].append(int(self.batch.token[row]))
            assert len(self.held[seq]) <= self.context
            counts[seq] += 1
            if self.batch.want[row]:
                self._logits[row] = self._of(self.held[seq])
        assert len(self._logits) <= self.outputs
        self.passes.append(list(counts.items()))

    def _of(self, history: list[int]) -> NDArray[np.float32]:
        if self.poison(history):
            return np.full(self.vocab, np.nan, np.float32)
        return toy_logits(history, self.quirk, self.vocab)

    def logits(self, row: int) -> NDArray[np.float32]:
        return self._logits[row]

    def rewind(self, seq: int, length: int) -> bool:
        assert not self.closed
        assert 0 <= length <= len(self.held[seq])
        kept = self.marks is None or self.marks.reach(seq, length) == length
        del self.held[seq][length if kept else 0 :]
        if self.marks is not None:
            self.marks.forget(seq)
        return kept

    def copy(self, source: int, target: int, length: int) -> bool:
        assert source != target
        self.copies += 1
        self.held[target] = list(self.held[source])
        if self.marks is not None:
            self.marks.lengths[target] = dict(self.marks.lengths[source])
        return self.rewind(target, length)

    def saved_bytes(self, seq: int) -> int:
        return len(self.held[seq])

    def save(self, seq: int) -> bytes:
        return bytes(self.held[seq])

    def restore(self, seq: int, data: bytes | bytearray) -> None:
        self.rewind(seq, 0)
        if self.refuses:
            raise EngineError("what was saved is not of this model")
        self.restores += 1
        self.held[seq] = list(data)

    def set_threads(self, threads: int) -> None:
        assert not self.closed
        self.threads = threads

    def close(self) -> None:
        self.closed = True


class Front(Listener):
    """One scheduler on one toy model, and what it says by request."""

    def __init__(self, backend: FakeBackend | None = None, *, chunk: int = 16) -> None:
        super().__init__()
        self.backend = backend or FakeBackend()
        self.spec = ModelSpec(
            "toy",
            "",
            self.backend.context,
            self.backend.sequences,
            self.backend.batch.capacity,
            chunk,
        )
        self.work: list[WorkShare] = []
        self.tally = EngineCounters()
        self.pause_s = 0.0  # between two messages, from the next `keep_as` on
        self.keep_as(None)

    def worked(self, work: EngineWork) -> None:
        super().worked(work)
        self.work += work.shares

    def submit(self, id: int, prompt: str | list[int], **changes: object) -> Heard:
        """Submit a request; greedy and without end of sequence unless `changes` say otherwise."""
        self.scheduler.submit(request(id, prompt, **changes))
        return self.heard[id]

    def keep_as(
        self,
        kept: PrefixTarget | None,
        keyed: Keyed | None = None,
    ) -> None:
        """Have beginnings of prompts kept, and answers over the engine's end."""
        self.scheduler = Scheduler(
            self.backend,
            self.spec,
            self.hear,
            self.tally,
            self.clock,
            outbox=Outbox(self.hear, self.pause_s),
            kept=kept,
            keyed=keyed,
        )

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return self.scheduler.running + self.scheduler.waiting > 0

    def settle(self, most: int = 5000) -> None:
        """Step until nothing is left to do."""
        for _ in range(most):
            if not self.busy:
                break
            self.scheduler.step()
        assert not self.busy, "the scheduler does not come to an end"
        self.check_pool()

    def check_pool(self) -> None:
        """The pool knows exactly what the backend holds, and nothing is lent out."""
        pool = self.scheduler.pool
        assert pool.busy == 0
        assert [s.tokens for s in pool._all] == self.backend.held


def request(id: int, prompt: str | list[int], **changes: object) -> Generate:
    fields: dict = {
        "special": False,
        "sampling": Sampling(temperature=0.0),
        "max_tokens": 8,
        "ignore_eos": True,
    }
    return Generate(id, "toy", prompt, **{**fields, **changes})


def alone(
    request: Generate, index: int, context: int = 96, quirk: int = 0
) -> tuple[str, list[int], str, str | None]:
    """Return what answer `index` must be: the toy model run by itself, in the plainest way."""
    sampling, prompt = request.sampling, list(request.prompt)
    sampler = Sampler(sampling, seed=sampling.seed or 0, prompt=prompt).fork(index)
    return outcome(
        request, lambda tokens: sampler.sample(toy_logits([*prompt, *tokens], quirk)).token, context
    )


def outcome(
    request: Generate, draw: Callable[[list[int]], int], context: int = 96
) -> tuple[str, list[int], str, str | None]:
    """Return what becomes of tokens that `draw` gives, from those before."""
    tokens: list[int] = []
    data = b""
    while True:
        token = draw(tokens)
        tokens.append(token)
        if token == EOS and not request.ignore_eos:
            return _ended(data, tokens, "stop", request.stop)
        data += PIECES[token]
        hit = _first_stop(_whole(data), request.stop)
        if hit is not None:
            text, stop = hit
            return text, tokens, "stop", stop
        full = request.max_tokens is not None and len(tokens) >= request.max_tokens
        if full or len(request.prompt) + len(tokens) >= context:
            return _ended(data, tokens, "length", request.stop)


def _ended(
    data: bytes, tokens: list[int], reason: str, stops: list[str]
) -> tuple[str, list[int], str, str | None]:
    text = data.decode(errors="replace")
    hit = _first_stop(text, stops)
    return (text, tokens, reason, None) if hit is None else (hit[0], tokens, "stop", hit[1])


def _whole(data: bytes) -> str:
    """The text of `data` without a character that is not complete yet."""
    return (
        data[:-1].decode(errors="replace")
        if data.endswith(b"\xc3")
        else data.decode(errors="replace")
    )


def _first_stop(text: str, stops: list[str]) -> tuple[str, str] | None:
    for end in range(len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            stop = max(ending, key=len)
            return text[: end - len(stop)], stop
    return None


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Everything of type `kind` that msgpack can carry."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(values(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=2)
    if origin is tuple and ... in args:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, args))
    if isinstance(kind, type) and issubclass(kind, (msgspec.Struct, Which)):
        return st.builds(kind, *map(values, get_type_hints(kind).values()))
    plain = {
        int: st.integers(-(2**63), 2**64 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        str: st.text(max_size=9),
        bytes: st.binary(max_size=9),
        type(None): st.none(),
    }
    return plain[kind]


@pytest.fixture(scope="session")
def any_of() -> Callable[[Any], st.SearchStrategy[Any]]:
    """The strategy for a type of message; see `values`."""
    return values


@pytest.fixture(scope="session")
def toy() -> type[FakeBackend]:
    """The toy model's class."""
    return FakeBackend


@pytest.fixture
def front() -> Front:
    """A scheduler on a toy model of three sequences of 96 tokens."""
    return Front()


@pytest.fixture(scope="session")
def new_front() -> Callable[..., Front]:
    """Makes further fronts; see Front."""
    return Front


@pytest.fixture(scope="session")
def new_request() -> Callable[..., Generate]:
    """Makes requests; see `request`."""
    return request


@pytest.fixture(scope="session")
def reference() -> Callable[..., tuple[str, list[int], str, str | None]]:
    """The right outcome of an answer; see `alone`."""
    return alone


@pytest.fixture(scope="session")
def new_duo() -> Callable[..., Duo]:
    """Makes pairs of toy models, by default a small one of another mind than the large one."""

    def make(large: Any = None, small: Any = None, **more: Any) -> Duo:
        return Duo(large or FakeBackend(), small or FakeBackend(quirk=1), **more)

    return make


class TextBackend(TextToy, FakeBackend):
    """A toy model that reads any text."""


@pytest.fixture(scope="session")
def text_toy() -> type[TextBackend]:
    """The class of toy models that read any text."""
    return TextBackend


@pytest.fixture(scope="session")
def stage(toy: type[FakeBackend]) -> Callable[..., Stage]:
    """Makes stages; see there."""
    return lambda *args, **more: Stage(toy, *args, **more)


@pytest.fixture
def endless(new_request: Callable[..., Generate]) -> Callable[..., Generate]:
    """Makes requests that end when they are cancelled."""

    def make(id: int, prompt: list[int] | None = None, **changes: Any) -> Generate:
        return new_request(id, prompt or [5], **{"max_tokens": None, **changes})

    return make
