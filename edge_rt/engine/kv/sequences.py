"""The KV sequences of one model: who uses them, what they hold, and what can be reused."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field

from edge_rt.backends.base import Backend, Marks
from edge_rt.engine.kv.prefix_files import common_prefix

WORTH_COPYING = 16  # tokens: reading fewer anew costs less than copying a sequence
MARK_EVERY = 512  # tokens at most are read again where a text parts from what a sequence holds
LAST_TOKENS = 8  # of a prompt, that begin the answer


@dataclass(eq=False)
class KvSequence:
    """One KV sequence and the tokens whose keys and values it holds."""

    id: int
    tokens: list[int] = field(default_factory=list[int])
    busy: bool = False
    used: int = 0  # tick of the last release; the smallest is the least recently used
    client: str | None = None  # who asked last; None: it is kept for nobody
    reused: int = 0  # tokens that it held when it was lent last
    pinned: int = 0  # tokens of its beginning that make room for others last
    marked: int = 0  # tokens that it held when it was marked last


def _worth(sequence: KvSequence) -> int:
    """0: empty, 1: soon read again, as the health check's probe is, 2: worth keeping."""
    return bool(sequence.tokens) + (len(sequence.tokens) >= WORTH_COPYING)


class SequencePool:
    """Lends the backend's sequences to answers and keeps released ones as a prefix cache.

    A prompt takes over tokens that stand in any sequence, idle or busy. An idle sequence that holds
    little makes room, else the least recently used one; pinned ones do where there is no other.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._all = [KvSequence(i) for i in range(backend.sequences)]
        self._tick = 0
        self.marks: Marks | None = backend.marks
        self.leaves: Callable[[KvSequence, int], None] = lambda sequence, kept: None  # hears of one
        # that is about to hold no more than so many of its tokens, to make room

    @property
    def cuts(self) -> bool:
        """Whether a sequence can keep any of its beginnings."""
        return self.marks is None

    @property
    def free(self) -> int:
        """Sequences that can be taken."""
        return len(self._all) - self.busy

    @property
    def busy(self) -> int:
        """Sequences lent out."""
        return sum(s.busy for s in self._all)

    def reusable(self, prompt: Tokens[int]) -> int:
        """Return tokens of `prompt` that `take` would not have to read."""
        return self._donor(prompt)[1]

    def take(self, prompt: Tokens[int], *, fresh: bool = False) -> KvSequence:
        """Return a sequence for `prompt`, holding as much of its beginning as is known anywhere.

        With `fresh` it holds nothing. The last token is always left to be read, for its logits.
        Call only when `free`.
        """
        donor, length = (None, 0) if fresh else self._donor(prompt)
        target = self._target(donor, length)
        self.leaves(target, length if donor is target else 0)
        if donor is target:
            self.rewind(target, length)
        elif donor is not None and length >= WORTH_COPYING:
            self._copy(donor, target, length)
            if not donor.busy and length == len(donor.tokens):
                target.pinned = donor.pinned
                self.rewind(donor, 0)  # it has moved
        else:
            self.rewind(target, 0)
        target.busy, target.reused = True, len(target.tokens)
        return target

    def idle(self) -> list[KvSequence]:
        """Return the sequences that can be taken."""
        return [s for s in self._all if not s.busy]

    def hold(self, sequence: KvSequence, tokens: Tokens[int], length: int) -> None:
        """Note that the model put `tokens` into a lent sequence; keep the first `length`."""
        sequence.tokens = list(tokens)
        if length < len(tokens):
            self.rewind(sequence, length)
        sequence.reused = len(sequence.tokens)

    def disown(self, whose: Callable[[KvSequence], bool]) -> None:
        """Let the content of all sequences that `whose` selects be nobody's."""
        for sequence in self._all:
            if whose(sequence):
                sequence.client = None

    def pin(self, sequence: KvSequence, prompt: Tokens[int]) -> None:
        """Keep `prompt`, which a sequence that was lent is going to hold, for long.

        It takes the place of a pinned one that is mostly the same; beyond half of all sequences the
        least recently used is pinned no longer.
        """
        most = len(self._all) // 2
        if not most:
            return
        sequence.pinned = len(prompt)
        others = [s for s in self._all if s.pinned and s is not sequence]
        for other in others:
            if 2 * common_prefix(other.tokens[: other.pinned], prompt) >= other.pinned:
                other.pinned = 0
        pinned = sorted((s for s in others if s.pinned), key=lambda s: s.used)
        for other in pinned[: max(0, len(pinned) + 1 - most)]:
            other.pinned = 0

    def stops(self, prompt: Tokens[int], held: int) -> set[int]:
        """Return after how many tokens of a prompt to mark a sequence that holds `held` of it.

        Prompts that part from others there may come again, and the next prompt of the conversation
        goes on shortly before the end: templates write the beginning of an answer otherwise then.
        """
        if self.marks is None:
            return set()
        common = max(common_prefix(sequence.tokens, prompt) for sequence in self._all)
        return {at for at in (common, len(prompt) - LAST_TOKENS) if at >= held + WORTH_COPYING}

    def mark(self, sequence: KvSequence, *, passing: bool = False) -> None:
        """Have a sequence able to go back to what it holds; see Marks."""
        if self.marks is not None:
            self.marks.put(sequence.id, passing=passing)
            sequence.marked = sequence.marked if passing else len(sequence.tokens)

    def refill(self, sequence: KvSequence, prompt: Tokens[int]) -> None:
        """Copy into a taken sequence what others hold of `prompt` by now."""
        donor, length = self._donor(prompt)
        gained = length - len(sequence.tokens)
        if donor is not None and gained >= WORTH_COPYING:
            self._copy(donor, sequence, length)

    def release(self, sequence: KvSequence, *, keep: bool = True) -> None:
        """Give `sequence` back; with `keep`, what it holds stays for prompts that begin alike."""
        if not keep:
            self.rewind(sequence, 0)
        self._tick += 1
        sequence.busy = False
        sequence.used = self._tick

    def rewind(self, sequence: KvSequence, length: int) -> None:
        """Have a sequence hold its first `length` tokens, or as many of them as it can keep."""
        length = self._reach(sequence, length)
        length = length if self._backend.rewind(sequence.id, length) else 0
        del sequence.tokens[length:]
        sequence.pinned = min(sequence.pinned, length)
        sequence.marked = min(sequence.marked, length)

    def drop_all(self) -> None:
        """Empty every sequence; what they hold can no longer be trusted."""
        for sequence in self._all:
            self.rewind(sequence, 0)

    def _donor(self, prompt: Tokens[int]) -> tuple[KvSequence | None, int]:
        best, length = None, 0
        for sequence in self._all:
            shared = min(common_prefix(sequence.tokens, prompt), len(prompt) - 1)
            shared = self._reach(sequence, shared)
            if shared > length or (shared == length and best is not None and best.busy):
                best, length = sequence, shared
        return (best, length) if length > 0 else (None, 0)

    def _target(self, donor: KvSequence | None, length: int) -> KvSequence:
        """Return the sequence to use: the donor if it loses nothing, else one that makes room.

        Neighbours of busy sequences are preferred: llama.cpp runs only neighbours in one pass over
        the weights.
        """
        idle = self.idle()
        best = min(idle, key=self._loss)
        if donor is None or donor.busy or length < len(donor.tokens):
            return best
        # Moving a prefix beside the others costs less than a pass of its own for every token.
        gains = self._beside_busy(best) and not self._beside_busy(donor)
        loses = _worth(best) > 1 or length < WORTH_COPYING
        return best if gains and not loses else donor

    def _loss(self, sequence: KvSequence) -> tuple[bool, bool, bool, int, int]:
        """Return the loss, comparable among sequences, if this one goes to another prompt."""
        worth, beside = _worth(sequence), self._beside_busy(sequence)
        return sequence.pinned > 0, worth > 1, not beside, worth, sequence.used

    def _beside_busy(self, sequence: KvSequence) -> bool:
        """Return whether using `sequence` leaves the busy ones together, if they are."""
        beside = self._all[max(0, sequence.id - 1) : sequence.id + 2]
        return any(s.busy for s in beside) or not self.busy

    def _copy(self, donor: KvSequence, target: KvSequence, length: int) -> None:
        copied = self._backend.copy(donor.id, target.id, length)
        target.tokens = donor.tokens[:length] if copied else []
        target.marked = min(donor.marked, len(target.tokens))

    def _reach(self, sequence: KvSequence, length: int) -> int:
        return length if self.marks is None else self.marks.reach(sequence.id, length)
