"""What every native library looks like to the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.images import Image, ImageReference


def going_on(cut: Callable[[str], list[int]], text: str) -> list[int]:
    """Return the tokens of `text` by `cut`, without the space that it may put before a text.

    That space is put before a newline in its place, whose tokens are then left out again.
    """
    before, all_of_it = cut("\n"), cut("\n" + text)
    if all_of_it[: len(before)] == before:
        return all_of_it[len(before) :]
    return cut(text)  # the text begins with more of them, which are one token with the first


class Batch:
    """Tokens for one forward pass, as a structure of arrays of `capacity` rows.

    Row i puts `token[i]` at position `pos[i]` of sequence `seq[i]`; logits are wanted where
    `want[i]` is not 0. Rows of one sequence stand in rising position.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self.token: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.pos: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.seq: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.want: NDArray[np.int8] = np.zeros(capacity, np.int8)

    def clear(self) -> None:
        """Forget all rows."""
        self.size = 0

    def add(self, seq: int, start: int, tokens: Sequence[int], *, want: int) -> int:
        """Append `tokens` of `seq` from position `start`; returns the row of the last one.

        The logits of the last `want` of them are wanted.
        """
        begin, end = self.size, self.size + len(tokens)
        if len(tokens) == 1:  # as nearly always; slices take several times as long
            self.token[begin], self.pos[begin] = tokens[0], start
            self.seq[begin], self.want[begin] = seq, min(want, 1)
            self.size = end
            return begin
        self.token[begin:end] = tokens
        self.pos[begin:end] = range(start, start + len(tokens))
        self.seq[begin:end] = seq
        self.want[begin:end] = 0
        self.want[end - want : end] = 1
        self.size = end
        return end - 1


def fingerprint(texts: Iterable[bytes]) -> str:
    """Return a word for a vocabulary whose tokens, in the order of their ids, are written so."""
    found = hashlib.sha256()
    for text in texts:
        found.update(len(text).to_bytes(4, "little") + text)
    return found.hexdigest()


class PromptVocabulary(Protocol):
    """The vocabulary of a model that writes."""

    vocab: int  # size of the vocabulary

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        """Token ids of `text`, with the beginning-of-sequence token where the model wants it.

        `special`: control tokens written out in the text become those tokens. With `begins` False
        the text goes on from another: nothing is put before it, neither a token nor the space of
        some vocabularies.
        """
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes of `token`; empty for control tokens."""
        ...

    def mark(self, token: int) -> bytes:
        """Return how a control token is written in prompts; empty where it cannot be."""
        ...

    def close(self) -> None:
        """Free all its memory."""
        ...


class BaseBackend(Protocol):
    """A loaded model. Methods may only be called from one thread."""

    def set_threads(self, threads: int) -> None:
        """Use `threads` threads from the next pass on."""
        ...

    def close(self) -> None:
        """Free all its memory."""
        ...


class InfillMarks(NamedTuple):
    """The control tokens of a prompt whose answer fills a gap: PREFIX before SUFFIX behind MIDDLE.

    `before` goes before the text before the gap, `behind` before the text behind it, and `gap` is
    last.
    """

    before: int
    behind: int
    gap: int


class Marks(Protocol):
    """Where the sequences of a model can be cut that do not keep all of what they have read.

    Attention in a sliding window forgets what left the window, and a recurrent layer has one state
    of all tokens. Such a sequence goes back to where it was marked.
    """

    def reach(self, seq: int, length: int) -> int:
        """Return how many of the first `length` tokens of `seq` it can keep."""
        ...

    def put(self, seq: int, *, passing: bool = False) -> None:
        """Have `seq` able to go back to what it holds.

        Marks of little use make room for it. The next mark of the sequence takes the place of a
        `passing` one.
        """
        ...


class Backend(PromptVocabulary, BaseBackend, Protocol):
    """A loaded model with `sequences` independent key-value (KV) sequences.

    A sequence holds the keys and values of a prefix of some text; `forward` extends it. Sequence
    ids run from 0 to `sequences` - 1. Errors of the native library become EngineError.
    """

    context: int  # most tokens in one sequence
    sequences: int
    outputs: int  # most rows of a pass whose logits may be wanted, at least one a sequence
    fingerprint: str  # of the texts of all tokens in order: equal for equal vocabularies
    longest_piece: int  # most bytes that one token can stand for
    infill: InfillMarks | None  # None: the model was not made to fill gaps in a text
    batch: Batch  # the one batch that `forward` runs

    @property
    def marks(self) -> Marks | None:
        """Where sequences can be cut; None: a sequence can keep any of its beginnings."""
        ...

    def ends(self, token: int) -> bool:
        """Return whether `token` ends an answer."""
        ...

    def forward(self) -> None:
        """Run `batch`, extending the KV of its sequences."""
        ...

    def logits(self, row: int) -> NDArray[np.float32]:
        """Return logits of `row` of the last pass, (vocab,) float32; valid until the next pass."""
        ...

    def rewind(self, seq: int, length: int) -> bool:
        """Keep only the first `length` tokens of `seq`.

        False when the model cannot, which `marks` tell before: the sequence is then empty.
        """
        ...

    def copy(self, source: int, target: int, length: int) -> bool:
        """Make `target` hold the first `length` tokens of `source`; False as in `rewind`."""
        ...

    def saved_bytes(self, seq: int) -> int:
        """Return how many bytes `save` would give: as many as keys and values have, and a few."""
        ...

    def save(self, seq: int) -> bytes | bytearray:
        """Return what `seq` holds, for `restore`.

        Logits of the last pass are no longer valid, nor are they after `restore`.
        """
        ...

    def restore(self, seq: int, data: bytes | bytearray) -> None:
        """Make `seq` hold what was saved from a sequence of this very model.

        Raises EngineError when that is damaged, of another shape or too long; `seq` is then empty.
        """
        ...


State = NDArray[np.float32]
"""What the layers of a model make of a token, (width,)."""


class HeadsGuess(NamedTuple):
    """What heads make of a token: logits of the one behind the next, and their own state."""

    logits: NDArray[np.float32]  # (vocab,), valid until the next guess
    state: State


class Heads(Protocol):
    """Layers with which a model guesses at the token behind the next."""

    def state(self, row: int) -> State | None:
        """Return the state of `row` of the model's last pass, whose logits were wanted.

        None: it is gone.
        """
        ...

    def guess(
        self, seq: int, start: int, tokens: Sequence[int], states: Sequence[State]
    ) -> HeadsGuess | None:
        """Read `tokens` of `seq` from place `start` on, each with the state that led to it.

        None: that did not work, and nothing but a guess is lost.
        """
        ...


@runtime_checkable
class Foresees(Protocol):
    """What a Backend has besides whose models may have heads."""

    heads: Heads | None


@runtime_checkable
class Eyes(Protocol):
    """What a Backend that sees has besides."""

    def image_tokens(self, reference: ImageReference) -> list[int]:
        """Return the tokens of an image, with the control tokens that the model has around it.

        Those that stand for what it shows are below 0, in runs that no other image has.
        RequestError for an image that the model cannot see.
        """
        ...

    def look(self, seq: int, start: int, token: int, images: Sequence[Image]) -> int:
        """Read a run of an image of a request at place `start` of `seq`; return its length.

        `token` is the first of the run, and `images` are those of the request.
        """
        ...


class EmbeddingBackend(BaseBackend, Protocol):
    """A loaded model that turns a text into a vector.

    Errors of the native library become EngineError.
    """

    vocab: int  # size of the vocabulary
    context: int  # most tokens in one input
    width: int  # numbers in a vector
    rows: int  # most inputs in one pass
    room: int  # most tokens in one pass, at least `context`: those of its longest input times all
    marks: tuple[int, int]  # control tokens that `tokenize` puts before and behind a text

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids of `text`, its control tokens among them; see PromptVocabulary."""
        ...

    def pair(self, query: str, text: str) -> tuple[list[int], int, int]:
        """Return a question and a text as a model that ranks reads them.

        With how many of these tokens come before the text's own, and how many behind.
        """
        ...

    def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the vectors of the inputs, (inputs, width) float32, of any length but 0."""
        ...
