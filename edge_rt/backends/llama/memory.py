"""What sequences of a context hold, and how far back each can go, by the model's architecture.

| memory | keeps | goes back to | a mark holds |
|---|---|---|---|
| plain attention | keys and values of all tokens | any token | |
| sliding window | in some layers those of the last tokens | near tokens, marks | those |
| recurrent, hybrid | in some or all layers one state | marks | the state |
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llama_cpp.llama_cpp as lib

from edge_rt.backends.base import Batch, Marks
from edge_rt.backends.llama.model import LlamaContext, NativeBatch, capture
from edge_rt.core.errors import EngineError

MARKS, MARKS_BYTES = 2, 256 << 20  # of a sequence, on average, and of all; passing ones beside
LEAST = 2  # marks, however large
_PARTIAL = lib.llama_state_seq_flags(lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY)  # windows, states


@dataclass(frozen=True)
class _Mark:
    length: int  # tokens that the sequence held
    data: bytearray
    passing: bool
    number: int  # later ones have larger ones


class LlamaMarks:
    """Marks of all sequences of a context; see Marks."""

    def __init__(
        self,
        context: Any,
        sequences: int,
        window: int,
        settle: Callable[[], None],
        held: Callable[[int], int],
    ) -> None:
        """`window` in tokens; 0: layers are recurrent. `settle` makes copies that were put off.

        `held` tells the position behind a sequence.
        """
        self._settle, self._held = settle, held
        self._context: Any = context
        self._memory: Any = lib.llama_get_memory(context)
        self._window = window
        self._marks: list[list[_Mark]] = [[] for _ in range(sequences)]
        self._numbers = itertools.count()

    def reach(self, seq: int, length: int) -> int:
        if self._keeps(seq, length):
            return min(length, self._held(seq))
        mark = self._before(seq, length)
        return 0 if mark is None else mark.length

    def put(self, seq: int, *, passing: bool = False) -> None:
        marks, length = self._marks[seq], self._held(seq)
        spare = marks.pop().data if marks and marks[-1].passing else bytearray()
        if not length or (passing and self._window) or (marks and marks[-1].length == length):
            return  # there is always more of a window than a draft takes away
        try:
            self._settle()
        except EngineError:
            return
        size = lib.llama_state_seq_get_size_ext(self._context, lib.llama_seq_id(seq), _PARTIAL)
        data = spare if len(spare) == size else bytearray(size)  # new memory takes twice the time
        whose = lib.llama_seq_id(seq)
        if lib.llama_state_seq_get_data_ext(self._context, bytes_of(data), size, whose, _PARTIAL):
            marks.append(_Mark(length, data, passing, next(self._numbers)))
            self._make_room(max(LEAST, MARKS_BYTES // size))

    def go_back(self, seq: int, length: int) -> bool:
        """Have windows and states be those after `length` tokens; False where they cannot be."""
        able = self.reach(seq, length) >= min(length, self._held(seq))
        mark = None if self._keeps(seq, length) else self._before(seq, length)
        if mark is not None:
            try:
                self._settle()  # else what was put off would take its place
            except EngineError:
                return False
            data, size, whose = bytes_of(mark.data), len(mark.data), lib.llama_seq_id(seq)
            lib.llama_state_seq_set_data_ext(self._context, data, size, whose, _PARTIAL)
        self._marks[seq] = [mark for mark in self._marks[seq] if mark.length <= length]
        return able

    def inherit(self, source: int, target: int) -> None:
        """Mark `target`, a copy of `source`, where that is marked."""
        self._marks[target] = [mark for mark in self._marks[source] if not mark.passing]

    def keeps(self, seq: int, length: int) -> bool:
        """Return whether a window has all that the token behind the first `length` attends to."""
        first = lib.llama_memory_seq_pos_min(self._memory, seq)
        return self._window > 0 and first <= max(0, length + 1 - self._window)

    def _keeps(self, seq: int, length: int) -> bool:
        """Return whether no mark is needed to go back to the first `length` tokens."""
        return length >= self._held(seq) or self.keeps(seq, length)

    def _before(self, seq: int, length: int) -> _Mark | None:
        return next((m for m in reversed(self._marks[seq]) if m.length <= length), None)

    def _make_room(self, most: int) -> None:
        """Drop marks that have others near, of the sequence with most, else the oldest.

        Not passing ones: each is soon gone by itself, and until then its draft needs it.
        """
        most = min(most, MARKS * len(self._marks))
        while True:
            lasting = [[one for one in marks if not one.passing] for marks in self._marks]
            if len({one.number for marks in lasting for one in marks}) <= most:
                return
            at = max(range(len(lasting)), key=lambda seq: len(lasting[seq]))
            marks, place = lasting[at], 0
            ends = [0, *(mark.length for mark in marks)]
            if len(marks) > 1:
                place = min(range(len(marks) - 1), key=lambda one: ends[one + 2] - ends[one])
            else:
                at = min(
                    (seq for seq, ours in enumerate(lasting) if ours),
                    key=lambda seq: lasting[seq][0].number,
                )
            del self._marks[at][place]  # a passing one is the last


class LlamaSequences(LlamaContext):
    """A context with independent sequences, which are cut, copied, saved and restored."""

    sequences: int
    context: int

    def _begin_sequences(self, params: Any) -> None:
        """Make the context, with memory for windows alone where that is less."""
        window = lib.llama_model_n_swa(self._model)
        model = self._model
        self._states = lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model)
        params.swa_full = False
        self._begin(params)
        self.sequences = params.n_seq_max
        self._copied = False  # since the last pass: llama.cpp puts copies off until the next one
        slides = window > 0 and window + params.n_ubatch < lib.llama_n_ctx_seq(self._context)
        self._marks: LlamaMarks | None = None
        if self._states or slides:
            window = 0 if self._states else window
            how = window, self._settle, self._held
            self._marks = LlamaMarks(self._context, self.sequences, *how)

    @property
    def marks(self) -> Marks | None:
        return self._marks

    def rewind(self, seq: int, length: int) -> bool:
        able = self._marks is None or self._marks.go_back(seq, length)
        if able and lib.llama_memory_seq_rm(self._memory, seq, length, -1):
            return True
        self._empty(seq)
        return False

    def copy(self, source: int, target: int, length: int) -> bool:
        if self._marks is None or self._marks.keeps(source, length):
            self._empty(target)
            lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
            self._copied = True
        else:  # a mark takes its place at once, or no token can be forgotten, as settling takes
            try:
                self.restore(target, self.save(source))
            except EngineError:
                self._empty(target)
                return False
        if self._marks is not None:
            self._marks.inherit(source, target)
        return self.rewind(target, length)

    def saved_bytes(self, seq: int) -> int:
        return lib.llama_state_seq_get_size(self._context, lib.llama_seq_id(seq))

    def save(self, seq: int) -> bytearray:
        self._settle()
        whose, data = lib.llama_seq_id(seq), bytearray(LlamaSequences.saved_bytes(self, seq))
        size = lib.llama_state_seq_get_data(self._context, bytes_of(data), len(data), whose)
        if size != len(data):
            raise EngineError(f"llama.cpp saved {size} bytes of a sequence, not {len(data)}")
        return data

    def restore(self, seq: int, data: bytes | bytearray | memoryview) -> None:
        self._empty(seq)
        self._settle()
        view = memoryview(data)
        # ctypes refuses memory that must not be written to.
        kept = bytearray(view) if view.readonly else view
        with capture() as complaints:
            whose = lib.llama_seq_id(seq)
            size = lib.llama_state_seq_set_data(self._context, bytes_of(kept), len(kept), whose)
        if not size or size != len(kept):
            self._empty(seq)
            raise EngineError(
                f"what was saved is not of this model, or not all of it: {complaints.summary()}"
            )

    def _held(self, seq: int) -> int:
        """Return the position behind a sequence."""
        return held(self._memory, seq)

    def _empty(self, seq: int) -> None:
        if self._marks is not None:
            self._marks.go_back(seq, 0)
        lib.llama_memory_seq_rm(self._memory, seq, -1, -1)

    def _settle(self) -> None:
        """Have copies made that were put off, by a pass for a token that is forgotten."""
        if not self._copied:
            return
        lengths = [held(self._memory, seq) for seq in range(self.sequences)]
        length = min(lengths)
        seq, one = lengths.index(length), Batch(1)
        if length == self.context:
            raise EngineError("llama.cpp cannot save or restore while every sequence is full")
        one.add(seq, length, [0], want=0)
        status = lib.llama_decode(self._context, NativeBatch(one).filled())
        self._copied = False
        if status != 0 or not self.rewind(seq, length):
            raise EngineError(f"llama.cpp could not finish a copy of a sequence ({status})")


def held(memory: Any, seq: int) -> int:
    """Return how many tokens a sequence holds."""
    return lib.llama_memory_seq_pos_max(memory, seq) + 1


def bytes_of(data: bytearray | memoryview) -> Any:
    """Return `data` as native functions take it, without a copy."""
    return (ctypes.c_uint8 * len(data)).from_buffer(data)
