"""One answer on one model: its tokens, its KV sequence, and what it needs of its scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from edge_rt.backends.base import Backend, Eyes, Heads, State
from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.core.images import Image
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.sampler import SampledToken, Sampler
from edge_rt.engine.generation.checker import Checkers
from edge_rt.engine.kv.checkpointer import Checkpointer
from edge_rt.engine.kv.prefix_disk import Fetch
from edge_rt.engine.kv.prefix_files import common_prefix
from edge_rt.engine.kv.prefixes import PrefixCache
from edge_rt.engine.kv.sequences import MARK_EVERY, WORTH_COPYING, KvSequence, SequencePool
from edge_rt.engine.protocol import Generate

if TYPE_CHECKING:
    from edge_rt.decoding.constraints.grammars import Grammars


class ModelSequence:
    """One answer on one model: the text as tokens, and a KV sequence that holds a part of them.

    The anchor is the number of tokens of `text`, and then of `draft`, that the KV sequence holds;
    tokens behind it are unread. A sequence falls behind while another has its turn. `spent_s` are
    the seconds of its share of passes since its turn began, `read` the tokens of those passes.
    """

    def __init__(self, home: Home, prompt: list[int], sampler: Sampler) -> None:
        self.home = home
        self.backend: Backend = home.backend
        self.prompt = prompt
        self.sampler = sampler
        self.text = list(prompt)
        self.draft: list[int] = []
        self.kv: KvSequence | None = None
        self.cached = 0  # tokens that its sequence held from the beginning
        self.restored = 0  # of these, those that came from the disk
        self.decoding = False
        self.heard = 0  # tokens of others since its last turn, none that it had guessed
        self.spent_s, self.read = 0.0, 0
        self._fresh = self._suspended = False
        self._sought = False  # whether it was looked for on the disk
        self._fetch: Fetch | None = None
        self._shared: int | None = None  # tokens of the prompt that are to be kept on the disk
        self._stops: set[int] = set()  # tokens of the prompt after which it is to be marked
        self._late = False  # its constraint was not ready when it had read
        self._want = 1  # logits that the next reading is for
        self._began = 0  # tokens of the text when they were asked for
        self._row, self._rows = 0, 0  # of the first of them, and how many there are
        self._images = isinstance(home.backend, Eyes) and any(token < 0 for token in prompt)

    @property
    def held(self) -> KvSequence:
        """The KV sequence, which must be acquired."""
        assert self.kv is not None
        return self.kv

    @property
    def unread(self) -> int:
        """The number of tokens to read: all, as long as it has no KV sequence."""
        held = 0 if self.kv is None else len(self.kv.tokens)
        return len(self.text) + len(self.draft) - held

    @property
    def full(self) -> bool:
        """Whether the text has no room to go on."""
        return len(self.text) >= self.backend.context

    @property
    def drafted(self) -> int:
        """The number of drafted tokens whose following logits it wants."""
        return self._want - 1

    # --- the sequence

    @property
    def pending(self) -> bool:
        """Whether a prefix of its text is on its way from the disk."""
        return self._fetch is not None and not self._fetch.over

    def fetch(self, request: Generate) -> None:
        """Fetch a prefix of its text from the disk where that is faster than reading."""
        if not (self._sought or request.fresh or self.home.checkpointer.has(self.text)):
            self._fetch = self.home.prefixes.fetch(self.text, request.client)
        self._sought = True

    def acquire(self, request: Generate) -> None:
        """Acquire a KV sequence: empty for a fresh request, else with a known prefix."""
        prefixes, self._fresh = self.home.prefixes, request.fresh
        fetch, self._fetch = self._fetch, None
        taken = prefixes.take(self.text, fetch, request.client, fresh=request.fresh)
        self.kv, restored = taken
        if not request.fresh:
            self.home.checkpointer.restore(self.kv, self.text)
        if self._suspended:
            self._suspended = False
            return
        self.cached, self.restored = len(self.kv.tokens), restored
        if request.pin:
            self.home.pool.pin(self.kv, self.prompt)
        self._shared = prefixes.shared(request, self.prompt)
        self._stops = self.home.pool.stops(self.prompt, self.cached)
        self.sampler.prepare()
        self.keep()

    def keep(self) -> None:
        """Save the KV sequence to the disk when it holds just the shared part of the prompt.

        Mark it where it can go back to nothing else.
        """
        if self.kv is None:
            return
        held = len(self.kv.tokens)
        if self._shared is not None and held >= self._shared:
            if held == self._shared:
                self.home.prefixes.save(self.kv)
            self._shared = None
        if held in self._stops or self.kv.marked + MARK_EVERY <= held <= len(self.text):
            self.home.pool.mark(self.kv)

    def suspend(self) -> None:
        """Give the KV sequence to another answer; the text is read again, and then goes on."""
        if len(self.held.tokens) > len(self.text):  # of a draft
            self.home.pool.rewind(self.held, len(self.text))
        self.home.checkpointer.drop(self.held)
        self.home.pool.release(self.held)
        self.kv, self.decoding, self._suspended = None, False, True

    def release(self, *, keep: bool) -> None:
        """Release the KV sequence; with `keep`, its text stays a prefix for others."""
        if self._fetch is not None:
            self.home.prefixes.leave(self._fetch)
            self._fetch = None
        if self.kv is not None:
            self.forget_draft()
            self.home.checkpointer.drop(self.kv)
            self.home.pool.release(self.kv, keep=keep)
            self.kv = None

    def follows(self, other: ModelSequence) -> bool:
        """Return whether the text that `other` is reading will soon spare it much reading."""
        shared = min(common_prefix(self.text, other.text), len(self.text) - 1)
        return not self._fresh and shared >= len(self.held.tokens) + WORTH_COPYING

    def refill(self) -> None:
        """Copy what others have read of its text since it acquired its KV sequence."""
        if not self._fresh:
            self.home.pool.refill(self.held, self.text)
            self.keep()

    # --- passes

    def fit(self, room: int, outputs: int) -> int:
        """Return how many unread tokens to read in a pass with so many rows and outputs left.

        Logits that are wanted together come of one pass; a draft that wants too many is cut.
        """
        held = len(self.held.tokens)
        stops = self._stops if self._shared is None else {*self._stops, self._shared}
        room = min([room, *(stop - held for stop in stops if stop > held)])
        if self._images:
            ahead = self.text[held : held + room]
            room = next((i for i, token in enumerate(ahead) if token < 0), room)
        if self._want > outputs:
            self._cut(self._want - outputs)
        unread = self.unread
        if unread <= room:
            return unread
        plain = unread - self._want
        if plain == 0:
            self._cut(self.unread - room)
        return min(plain, room) or room

    def feed(self, count: int) -> bool:
        """Put the next `count` tokens into the batch; return whether all are read then."""
        kv, batch = self.held, self.backend.batch
        anchor, last = len(kv.tokens), count == self.unread
        if anchor <= len(self.text) < anchor + count:  # a draft, which may have to be forgotten
            self.home.pool.mark(kv, passing=True)
        tokens = self._from(anchor, count)
        end = batch.add(kv.id, anchor, tokens, want=self._want if last else 0)
        kv.tokens += tokens
        self._row, self._rows = end - self._want + 1, self._want
        self.decoding = self.decoding or last
        return last

    @property
    def at_image(self) -> bool:
        """Whether it is to look at an image next, which no batch of tokens can hold."""
        held = len(self.held.tokens)
        return self._images and held < len(self.text) and self.text[held] < 0

    def look(self, images: Sequence[Image]) -> int:
        """Read the image that is next, one of those of the request; return its tokens."""
        backend, kv = self.backend, self.held
        assert isinstance(backend, Eyes), "only such a model has tokens of images"
        start = len(kv.tokens)
        try:
            count = backend.look(kv.id, start, self.text[start], images)
        except EngineError:
            self.home.pool.rewind(kv, start)  # it may hold a part
            raise
        kv.tokens += self.text[start : start + count]
        return count

    def took(self, count: int, seconds: float) -> None:
        """Book a pass that read `count` tokens in `seconds`."""
        self.read += count
        self.spent_s += seconds

    def logits(self, place: int = 0) -> Logits:
        """Return logits of the last pass: after the text, or after `place` tokens of its draft."""
        return self.backend.logits(self._row + place)

    def states(self, heads: Heads) -> tuple[list[int], list[State]]:
        """Return the tokens that came of the last pass, and the states that led to them.

        None where others were forced since, or where images take other places than their tokens.
        """
        tokens = self.text[self._began :]
        if self._images or len(tokens) > self._rows:
            return [], []
        found = [heads.state(self._row + place) for place in range(len(tokens))]
        states = [state for state in found if state is not None]
        return (tokens, states) if len(states) == len(tokens) else ([], [])

    # --- what it reads

    def asked(self) -> None:
        """Begin its turn: it is to read all unread tokens."""
        self._read_again()
        self._began = len(self.text)
        self.spent_s, self.read = 0.0, 0
        if self._want == len(self.draft) + 1:
            self.sampler.prepare(self.draft)

    def put_off(self) -> None:
        """Have it sit out passes until its constraint is ready, and then give the same logits."""
        self._late = True
        self._read_again()

    def sits_out(self) -> bool:
        """Return whether it sits out the next pass."""
        self._late = self._late and not self.sampler.ready(0.0)
        return self._late

    def _read_again(self) -> None:
        """Forget the tokens whose logits are wanted, where they are read."""
        first = len(self.text) + len(self.draft) - self._want
        if len(self.held.tokens) > first:  # and its logits are gone
            self.home.pool.rewind(self.held, first)

    def guess(self, token: int) -> None:
        """Append `token` to the draft, for the logits behind it."""
        self.draft.append(token)
        self._want = 1

    def verify(self, draft: list[int]) -> None:
        """Replace the draft, for the logits after each of its tokens."""
        self.draft = list(draft)
        self._want = len(draft) + 1

    def append(self, choice: SampledToken) -> None:
        """Append the token that its own sampler drew."""
        self._go_on(choice.token)

    def append_other(self, token: int) -> None:
        """Append a token that another sequence drew."""
        self.heard += not self._go_on(token)
        self.sampler.feed((token,))

    def catch_up(self) -> int:
        """Take in the tokens of others since the last turn; return their number."""
        heard, self.heard = self.heard, 0
        return heard

    def forget_draft(self) -> None:
        """Drop the draft, and its tokens from the KV sequence."""
        self.draft.clear()
        self._want = 1
        if self.kv is not None and len(self.kv.tokens) > len(self.text):
            self.home.pool.rewind(self.kv, len(self.text))

    def _go_on(self, token: int) -> bool:
        """Append `token`; return whether it was the first of the draft."""
        guessed = bool(self.draft) and self.draft[0] == token
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
        if len(tokens) < count:
            begin = max(0, anchor - len(self.text))
            tokens += self.draft[begin : begin + count - len(tokens)]
        return tokens


class Home(Protocol):
    """The scheduler of a model, as its sequences see it."""

    pool: SequencePool
    prefixes: PrefixCache
    checkpointer: Checkpointer

    @property
    def backend(self) -> Backend:
        """The model."""
        ...

    @property
    def grammars(self) -> Grammars:
        """What compiles constraints for the model."""
        ...

    @property
    def checkers(self) -> Checkers:
        """The programs that judge texts for the model."""
        ...


def nobody(model: str) -> Home:
    """Raise Unavailable, since no model of that name is loaded."""
    raise Unavailable(f"the engine has not loaded {model}", retry_after_s=1.0, code="not_loaded")
