"""Where one answer is in its grammar: the tokens that may come next, and those that must."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from edge_rt.core.errors import RequestError
from edge_rt.decoding.distribution import Logits


class TokenMasks:
    """Applies the masks of one model's grammars: one bit a token, the lowest bit first.

    llguidance knows one token that ends a text; a model may have several, and where that one is
    allowed all are.
    """

    def __init__(self, vocab: int, ends: Sequence[int], free: bytes) -> None:
        """`free` is the mask where any text may follow, or its end."""
        self.ends = frozenset(ends)
        self._vocab, self._end_ids = vocab, np.array(list(ends), np.int64)
        self._free = free
        self._closed = np.flatnonzero(~self._allowed(free))
        self._scratch: Logits = np.empty(vocab, np.float32)

    def allows(self, mask: bytes, token: int) -> bool:
        """Whether `token` may come next."""
        if token in self.ends:
            token = int(self._end_ids[0])
        return bool(mask[token >> 3] >> (token & 7) & 1)

    def apply(self, mask: bytes, logits: Logits) -> Logits:
        """The logits of the tokens that may come next, -inf for the others; good until the next
        call.
        """
        scratch = self._scratch
        if mask == self._free:  # some special tokens are all that it forbids
            np.copyto(scratch, logits)
            scratch[self._closed] = -np.inf
        else:
            scratch.fill(-np.inf)
            np.copyto(scratch, logits, where=self._allowed(mask))
        return scratch

    def _allowed(self, mask: bytes) -> NDArray[np.bool_]:
        packed = np.frombuffer(mask, np.uint8)
        bits = np.unpackbits(packed, count=self._vocab, bitorder="little").astype(np.bool_)
        if self._end_ids.size:
            bits[self._end_ids] = bits[self._end_ids[0]]
        return bits


class Grammar(NamedTuple):
    """What the answers to a request share: a grammar at its beginning, which stays there.

    Masks are computed in `thread`; errors name the field `param` of the request. The special tokens
    in `spelt` are part of the text, as those bytes.
    """

    beginning: LLMatcher
    masks: TokenMasks
    thread: Executor
    param: str
    spelt: Mapping[int, bytes]


class Matcher:
    """The place of one answer, on one model, in a grammar.

    Masks are computed in a thread from `prepare` on, while the model reads; llguidance does not
    hold Python's lock meanwhile. Every other method waits for that first.
    """

    def __init__(self, grammar: Grammar, compile_s: float = 0.0) -> None:
        """Compiling the grammar took `compile_s`, 0: nothing that counts here."""
        self.compile_s, self.spelt = compile_s, grammar.spelt
        self._grammar, self._masks = grammar, grammar.masks
        self._native = grammar.beginning.deep_copy()
        self.mask_s = 0.0  # seconds that masks took
        self.wait_s = 0.0  # seconds in which others had to wait for them
        self.over = False  # whether the text is complete
        self._must: deque[int] = deque()
        self._job: Future[list[bytes]] | None = None
        self._ready: deque[bytes] = deque()  # masks: the next token's, and those behind a draft's
        self._draft: deque[int] = deque()
        self._last: tuple[tuple[int, ...], bytes] | None = None

    def fork(self) -> Matcher:
        """Return one for another answer, at the beginning; the first has the time to compile."""
        compile_s, self.compile_s = self.compile_s, 0.0
        return Matcher(self._grammar, compile_s)

    @property
    def broken(self) -> bool:
        """Whether a grammar that became too complex for one answer is of no use to others."""
        return self._grammar.beginning.deep_copy().is_error()

    def prepare(self, draft: Sequence[int] = ()) -> None:
        """Begin to compute the masks of the next token and of those after each token of `draft`."""
        self._settle()
        if not (self.over or self._must or self._ready):
            self._draft = deque(draft)
            self._job = self._grammar.thread.submit(self._compute, list(draft))

    def take(self, token: int) -> None:
        """Go on by `token`; RequestError where the grammar forbids it or becomes too complex."""
        self._settle()
        self._step(token)
        if token in self._masks.ends:
            self.over = True
        elif not self._native.consume_token(token):
            raise self._failure()
        else:
            self.over = self._native.is_stopped()

    def forced(self) -> list[int]:
        """Return the tokens that come next whatever the model makes of it, perhaps none."""
        if self.over:
            return []
        if not self._must:
            self._settle()
            self._must.extend(self._native.compute_ff_tokens())
        return list(self._must)

    def allows(self, token: int, after: Sequence[int] = ()) -> bool:
        """Whether `token` may come next, or behind the tokens `after`."""
        return self._masks.allows(self._mask(after), token)

    def apply(self, logits: Logits, after: Sequence[int] = ()) -> Logits:
        """Return the logits of what `allows` allows, -inf for all else; good until the next call
        for this model.
        """
        return self._masks.apply(self._mask(after), logits)

    def valid(self, tokens: list[int]) -> int:
        """Return how many of these tokens the text may go on by."""
        self._settle()
        return 0 if self.over else self._native.validate_tokens(tokens)

    def _mask(self, after: Sequence[int]) -> bytes:
        self._settle()
        begin = time.perf_counter()
        try:
            if after:
                return self._behind(tuple(after))
            if not self._ready:
                self._ready.extend(self._compute(()))
            return self._ready[0]
        finally:
            self.wait_s += time.perf_counter() - begin

    def _behind(self, after: tuple[int, ...]) -> bytes:
        """The mask behind some tokens; the last one is kept."""
        if self._last is None or self._last[0] != after:
            begin = time.perf_counter()
            taken = self._native.try_consume_tokens(list(after))
            self._last = after, self._native.compute_bitmask()
            self._native.rollback(taken)
            self.mask_s += time.perf_counter() - begin
            self._check()
        return self._last[1]

    def _step(self, token: int) -> None:
        """Keep of what is known of later tokens what holds behind `token`."""
        self._last = None
        if self._must and self._must[0] == token:
            self._must.popleft()
        else:
            self._must.clear()
        if self._ready and self._draft and self._draft[0] == token:
            self._draft.popleft()
            self._ready.popleft()
        else:
            self._draft.clear()
            self._ready.clear()

    def _settle(self) -> None:
        """Wait for the thread."""
        if self._job is not None:
            begin = time.perf_counter()
            self._ready, self._job = deque(self._job.result()), None
            self.wait_s += time.perf_counter() - begin

    def _compute(self, draft: Sequence[int]) -> list[bytes]:
        begin, taken = time.perf_counter(), 0
        found = [self._native.compute_bitmask()]
        for token in draft:
            if token in self._masks.ends or not self._native.try_consume_tokens([token]):
                break
            taken += 1
            found.append(self._native.compute_bitmask())
        if taken:
            self._native.rollback(taken)
        self.mask_s += time.perf_counter() - begin
        self._check()
        return found

    def _check(self) -> None:
        if self._native.is_error():
            raise self._failure()

    def _failure(self) -> RequestError:
        message = self._native.get_error().partition("\n")[0]
        param = self._grammar.param
        return RequestError(
            f"`{param}`: the text so far cannot go on by it: {message}",
            param=param,
            code="constraint_failed",
        )
