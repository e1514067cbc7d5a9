"""An answer's place on one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_rt.backends.base import Backend
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.sampler import Choice, Sampler
from edge_rt.engine.kv.checkpointer import Checkpointer
from edge_rt.engine.kv.prefix_shelf import Fetch, common_prefix
from edge_rt.engine.kv.prefixes import Prefixes
from edge_rt.engine.kv.sequences import WORTH_COPYING, Sequence, SequencePool
from edge_rt.engine.protocol import Generate

if TYPE_CHECKING:
    from edge_rt.engine.generation.generation import Generation


class Home(Protocol):
    """The scheduler of a model, as its seats and other models' schedulers see it."""

    pool: SequencePool
    prefixes: Prefixes
    checkpointer: Checkpointer

    @property
    def backend(self) -> Backend:
        """The model."""
        ...

    def queue(self, answer: Generation) -> None:
        """`answer` waits for a sequence."""
        ...

    def seated(self, answer: Generation) -> None:
        """`answer` has taken its sequences."""
        ...

    def left(self, answer: Generation) -> None:
        """`answer` waits or runs no more."""
        ...

    def awaits(self, seat: ModelSequence) -> bool:
        """Whether a prompt now being read will soon hold much more of what `seat` is to read."""
        ...


class ModelSequence:
    """One answer on one model: the text as its tokens, and a sequence that holds a part of it.

    The sequence's anchor is how many tokens of `text` and then of `draft`, guesses of how the text
    goes on, it holds. What is behind the anchor is unread; a seat whose turn it is not falls
    behind, and reads it all when its turn comes. `decoding` tells whether it has read the prompt,
    `spent_s` what its share of passes took since its turn was asked for, in seconds, and `read`
    how many tokens they were.
    """

    def __init__(self, home: Home, prompt: list[int], sampler: Sampler) -> None:
        self.home = home
        self.backend: Backend = home.backend
        self.prompt = prompt
        self.sampler = sampler
        self.text = list(prompt)
        self.draft: list[int] = []
        self.sequence: Sequence | None = None
        self.cached = 0  # tokens that its sequence held from the beginning
        self.restored = 0  # of these, those that came from the disk
        self.decoding = False
        self.heard = 0  # tokens of others since its last turn, none that it had guessed
        self.spent_s, self.read = 0.0, 0
        self._fresh = False
        self._sought = False  # whether it was looked for on the disk
        self._fetch: Fetch | None = None
        self._shared: int | None = None  # tokens of the prompt that are to be kept on the disk
        self._want = 1  # logits that the next reading is for
        self._row = 0  # of the first of them

    @property
    def held(self) -> Sequence:
        """The sequence of a seat that was taken."""
        assert self.sequence is not None
        return self.sequence

    @property
    def unread(self) -> int:
        """How many tokens are to be read: all, as long as it has no sequence."""
        held = 0 if self.sequence is None else len(self.sequence.tokens)
        return len(self.text) + len(self.draft) - held

    @property
    def full(self) -> bool:
        """Whether the text has no room to go on."""
        return len(self.text) >= self.backend.context

    @property
    def drafted(self) -> int:
        """Of how many drafted tokens it wants to see what comes behind them."""
        return self._want - 1

    # --- the sequence

    @property
    def pending(self) -> bool:
        """Whether something that it begins with is on its way from the disk."""
        return self._fetch is not None and not self._fetch.over

    def fetch(self, request: Generate) -> None:
        """Have what it may begin with come from the disk, where that is the sooner way."""
        if not (self._sought or request.fresh or self.home.checkpointer.has(self.text)):
            self._fetch = self.home.prefixes.fetch(self.text, request.client)
        self._sought = True

    def sit(self, request: Generate) -> None:
        """Take a sequence; if it is to be fresh it holds nothing, else what was read before."""
        prefixes, self._fresh = self.home.prefixes, request.fresh
        fetch, self._fetch = self._fetch, None
        taken = prefixes.take(self.text, fetch, request.client, fresh=request.fresh)
        self.sequence, self.restored = taken
        if not request.fresh:
            self.home.checkpointer.restore(self.sequence, self.text)
        self.cached = len(self.sequence.tokens)
        self._shared = prefixes.shared(request, self.prompt)
        self.keep()

    def keep(self) -> None:
        """Have kept what its sequence holds, where that is just what is wanted of the prompt."""
        if self._shared is None or self.sequence is None:
            return
        held = len(self.sequence.tokens)
        if held == self._shared:
            self.home.prefixes.save(self.sequence)
        if held >= self._shared:
            self._shared = None

    def stand(self, *, keep: bool) -> None:
        """Give the sequence back; with `keep`, what it holds of the text stays a prefix."""
        if self._fetch is not None:
            self.home.prefixes.leave(self._fetch)
            self._fetch = None
        if self.sequence is not None:
            self.forget_draft()
            self.home.checkpointer.drop(self.sequence)
            self.home.pool.release(self.sequence, keep=keep)
            self.sequence = None

    def follows(self, other: ModelSequence) -> bool:
        """Whether what `other` is reading will soon spare it reading much."""
        shared = min(common_prefix(self.text, other.text), len(self.text) - 1)
        return not self._fresh and shared >= len(self.held.tokens) + WORTH_COPYING

    def refill(self) -> None:
        """Take over what others have read of its text since it took its sequence."""
        if not self._fresh:
            self.home.pool.refill(self.held, self.text)
            self.keep()

    # --- passes

    def fit(self, room: int, outputs: int) -> int:
        """How many of the unread tokens to read in a pass that has so much left, at least 1 each.

        Logits that are wanted together come of one pass. A draft that asks for too many is cut.
        """
        if self._shared is not None:
            room = min(room, self._shared - len(self.held.tokens))
        if self._want > outputs:
            self._cut(self._want - outputs)
        if self.unread <= room:
            return self.unread
        plain = self.unread - self._want
        if plain == 0:
            self._cut(self.unread - room)
        return min(plain, room) or room

    def feed(self, count: int) -> bool:
        """Put the next `count` tokens into the batch; whether nothing is unread then."""
        sequence, batch = self.held, self.backend.batch
        anchor, last = len(sequence.tokens), count == self.unread
        tokens = self._from(anchor, count)
        end = batch.add(sequence.id, anchor, tokens, want=self._want if last else 0)
        sequence.tokens += tokens
        self._row = end - self._want + 1
        self.decoding = self.decoding or last
        return last

    def took(self, count: int, seconds: float) -> None:
        """Reading `count` tokens took so long."""
        self.read += count
        self.spent_s += seconds

    def logits(self, place: int = 0) -> Logits:
        """Of what was read last: after the text, or after so many tokens of its draft."""
        return self.backend.logits(self._row + place)

    # --- what it reads

    def asked(self) -> None:
        """Its turn has come: it is to read what it has not."""
        first = len(self.text) + len(self.draft) - self._want
        if len(self.held.tokens) > first:  # and its logits are gone
            self.home.pool.rewind(self.held, first)
        self.spent_s, self.read = 0.0, 0

    def guess(self, token: int) -> None:
        """Have it read `token` behind the text and the draft so far, to see what it says then."""
        self.draft.append(token)
        self._want = 1

    def verify(self, draft: list[int]) -> None:
        """Have it read `draft` behind the text, to see what it says after each token."""
        self.draft = list(draft)
        self._want = len(draft) + 1

    def say(self, choice: Choice) -> None:
        """The text goes on by what its own sampler drew."""
        self._go_on(choice.token)

    def hear(self, token: int, piece: bytes) -> None:
        """The text goes on by a token that another seat drew; `piece` are its bytes."""
        self.heard += not self._go_on(token)
        self.sampler.feed((token,))

    def catch_up(self) -> int:
        """Put all that was heard into the text; how many tokens those are since the last turn."""
        heard, self.heard = self.heard, 0
        return heard

    def may_leave(self, token: int | None) -> bool:
        """Whether others can go on here, where it would draw `token`; None: not known yet."""
        return True

    def forget_draft(self) -> None:
        """Go back to the text."""
        self.draft.clear()
        self._want = 1
        if self.sequence is not None and len(self.sequence.tokens) > len(self.text):
            self.home.pool.rewind(self.sequence, len(self.text))

    def _go_on(self, token: int) -> bool:
        """Whether it had guessed so."""
        guessed = self.draft[:1] == [token]
        if guessed:
            del self.draft[0]
        else:
            self.forget_draft()
        self.text.append(token)
        return guessed

    def _cut(self, count: int) -> None:
        del self.draft[len(self.draft) - count :]
        self._want -= count

    def _from(self, anchor: int, count: int) -> list[int]:
        tokens = self.text[anchor : anchor + count]
        begin = max(0, anchor - len(self.text))
        return tokens + self.draft[begin : begin + count - len(tokens)]
