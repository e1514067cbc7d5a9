"""Where one answer is in its grammar: the tokens that may come next, and those that must."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.errors import RequestError
from edge_rt.decoding.constraints.messages import (
    Agreed,
    AskMasks,
    Impossible,
    Masks,
    Take,
    Taken,
    ToEngine,
    Validate,
)
from edge_rt.decoding.constraints.process import STEP, Ended, GrammarProcess, Reply, TimeLimits
from edge_rt.decoding.distribution import Logits

QUICK_S = 0.01  # of the processor that a step may always take while others wait for it
STALLS = TimeLimits(cpu_s=3.0, wall_s=STEP.wall_s)  # what all steps of an answer may take beyond it


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
        """Return whether `token` may come next."""
        if token in self.ends:
            token = int(self._end_ids[0])
        return bool(mask[token >> 3] >> (token & 7) & 1)

    def apply(self, mask: bytes, logits: Logits) -> Logits:
        """Return the logits of the tokens that may come next, -inf for the others.

        Good until the next call.
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
    """What the answers to a request share: a process that holds the grammar.

    Errors name the field `param` of the request. The special tokens in `spelt` are part of the
    text, as those bytes. All texts begin with `forced`. `note` is called before it is waited for.
    """

    process: GrammarProcess
    masks: TokenMasks
    param: str
    spelt: Mapping[int, bytes]
    forced: Sequence[int]
    note: Callable[[], None]


class Matcher:
    """The place of one answer, on one model, in a grammar.

    Masks are computed in the process of the grammar from `prepare` on, while the model reads. Every
    other method waits for that first. All raise RequestError where the grammar forbids what is
    asked or becomes too complex, and Unavailable where its process was ended from outside.
    """

    def __init__(self, grammar: Grammar, compile_s: float = 0.0) -> None:
        """Compiling the grammar took `compile_s`, 0: nothing that counts here."""
        self.compile_s, self.spelt = compile_s, grammar.spelt
        self._grammar, self._masks = grammar, grammar.masks
        self._place = grammar.process.place(self)
        self.mask_s = 0.0  # seconds that masks took
        self.wait_s = 0.0  # seconds in which others had to wait for the process
        self.over = False  # whether the text is complete
        self._stalled_s = 0.0  # of the processor in these, beyond QUICK_S each
        self._must = deque(grammar.forced)  # tokens that come next
        self._untold: list[int] = []  # of these, what was taken
        self._job: Reply | None = None
        self._ready: deque[bytes] = deque()  # masks: the next token's, and those behind a draft's
        self._draft: deque[int] = deque()
        self._last: tuple[tuple[int, ...], bytes] | None = None

    def fork(self) -> Matcher:
        """Return one for another answer, at the beginning; the first has the time to compile."""
        compile_s, self.compile_s = self.compile_s, 0.0
        return Matcher(self._grammar, compile_s)

    @property
    def alive(self) -> bool:
        """Whether the process is there; it ends with a grammar that is of no more use."""
        return self._grammar.process.alive

    @property
    def held_bytes(self) -> int:
        """The memory that the grammar takes."""
        return self._grammar.process.held_bytes

    def prepare(self, draft: Sequence[int] = ()) -> None:
        """Begin to compute the masks of the next token and of those after each token of `draft`."""
        self._settle()
        if not (self.over or self._must or self._ready):
            self._draft = deque(draft)
            self._job = self._ask(AskMasks(self._place, self._before_end(draft)))

    def ready(self, wait_s: float) -> bool:
        """Return whether the prepared masks are there, after so many seconds at most."""
        return self._job is None or self._grammar.process.arrives(self._job, STEP, wait_s)

    def take(self, token: int) -> None:
        """Go on by `token`."""
        self._settle()
        self._step(token)
        if token in self._masks.ends:
            self.over = True
        elif self._must:  # it was known to come, as are others
            self._untold.append(token)
        else:
            self._must = deque(self._tell([token]).forced)

    def forced(self) -> list[int]:
        """Return the tokens that come next whatever the model makes of it, perhaps none."""
        return [] if self.over else list(self._must)

    def allows(self, token: int, after: Sequence[int] = ()) -> bool:
        """Return whether `token` may come next, or behind the tokens `after`."""
        return self._masks.allows(self._mask(after), token)

    def apply(self, logits: Logits, after: Sequence[int] = ()) -> Logits:
        """Return the logits of what `allows` allows, -inf for all else.

        Good until the next call for this model.
        """
        return self._masks.apply(self._mask(after), logits)

    def valid(self, tokens: list[int]) -> int:
        """Return how many of these tokens the text may go on by."""
        self._settle()
        if self.over:
            return 0
        reply = self._wait(self._ask(Validate(self._place, tokens)))
        assert isinstance(reply, Agreed)
        return reply.count

    def _mask(self, after: Sequence[int]) -> bytes:
        self._settle()
        if after:
            return self._behind(tuple(after))
        if not self._ready:
            self._job = self._ask(AskMasks(self._place, []))
            self._settle()
        return self._ready[0]

    def _behind(self, after: tuple[int, ...]) -> bytes:
        """Return the mask behind some tokens; the last one is kept."""
        if self._last is None or self._last[0] != after:
            self._last = (
                after,
                self._masks_of(self._ask(AskMasks(self._place, list(after), True)))[0],
            )
        return self._last[1]

    def _step(self, token: int) -> None:
        """Keep of what is known of later tokens what holds behind `token`."""
        self._last = None
        if self._must and self._must[0] == token:
            self._must.popleft()
        elif self._must:
            self._must.clear()
        if self._ready and self._draft and self._draft[0] == token:
            self._draft.popleft()
            self._ready.popleft()
        else:
            self._draft.clear()
            self._ready.clear()

    def _before_end(self, draft: Sequence[int]) -> list[int]:
        return list(takewhile(lambda token: token not in self._masks.ends, draft))

    def _settle(self) -> None:
        """Wait for the masks that are being computed."""
        if self._job is not None:
            job, self._job = self._job, None
            self._ready = deque(self._masks_of(job))

    def _masks_of(self, job: Reply) -> list[bytes]:
        reply = self._wait(job)
        assert isinstance(reply, Masks)
        self.mask_s += reply.spent_s
        return reply.masks

    def _tell(self, tokens: list[int]) -> Taken:
        untold, self._untold = self._untold, []
        asked = self._grammar.process.ask(Take(self._place, [*untold, *tokens]))
        reply = self._wait(asked)
        assert isinstance(reply, Taken)
        self.over = reply.over
        return reply

    def _ask(self, question: AskMasks | Validate) -> Reply:
        if self._untold:
            self._tell([])
        return self._grammar.process.ask(question)

    def _wait(self, asked: Reply) -> ToEngine:
        process, param = self._grammar.process, self._grammar.param
        begin, used_s = time.perf_counter(), process.used()[0]
        self._grammar.note()
        try:
            reply = process.wait(asked, STEP)
            self._stalled_s += max(0.0, process.used()[0] - used_s - QUICK_S)
            if self._stalled_s >= STALLS.cpu_s:
                raise Ended("cpu").error(param, STALLS, "finding the next tokens")
        except Ended as ended:
            raise ended.error(param, STEP, "finding the next tokens") from None
        finally:
            self.wait_s += time.perf_counter() - begin
        if isinstance(reply, Impossible):
            message = reply.why.partition("\n")[0]
            raise RequestError(
                f"`{param}`: the text so far cannot go on by it: {message}",
                param=param,
                code="constraint_failed",
            )
        return reply
