"""One answer in the making: from prompt tokens to the deltas that the front receives."""

from __future__ import annotations

from edge_rt.backends.base import Backend
from edge_rt.decoding.params import TokenLogprob
from edge_rt.decoding.sampler import Choice, Sampler
from edge_rt.decoding.text import TextStream
from edge_rt.engine.protocol import Delta, Finished, Generate, Timings
from edge_rt.engine.sequences import Sequence
from edge_rt.engine.withheld import Withheld


class Answer:
    """Answer `index` of `request`.

    `todo` are the tokens that its sequence does not hold yet: the rest of the prompt while it is
    being read, then the one token drawn last.
    """

    def __init__(
        self,
        request: Generate,
        index: int,
        prompt: list[int],
        sampler: Sampler,
        text: TextStream,
        now: float,
    ) -> None:
        self.request = request
        self.index = index
        self.prompt = prompt
        self.sequence: Sequence | None = None
        self.cached = 0
        self.reason: str | None = None
        self._sampler = sampler
        self._text = text
        self._drawn: list[int] = []
        self._withheld = Withheld()
        self.arrived = self._started = now  # readings of the clock
        self._resumed = 0  # tokens that an earlier engine drew
        self._first: float | None = None  # when this engine drew its first token
        self._todo: list[int] = prompt

    @property
    def todo(self) -> list[int]:
        """Tokens still to be fed to the model, in order."""
        return self._todo

    @property
    def held(self) -> Sequence:
        """The sequence of an answer that was started."""
        assert self.sequence is not None
        return self.sequence

    @property
    def first(self) -> bool:
        """Whether only one token was drawn so far."""
        return len(self._drawn) == 1

    @property
    def decoding(self) -> bool:
        """Whether the prompt has been read."""
        return bool(self._drawn) and len(self._todo) == 1

    def resume(self, tokens: list[int], backend: Backend) -> None:
        """Take `tokens` as drawn and sent before; the next delta goes on behind them."""
        self._sampler.feed(tokens)
        for token in tokens:
            piece = backend.piece(token)
            self._withheld.add(piece, None)
            self._withheld.sent(self._text.push(piece))
        self._drawn = list(tokens)
        self._resumed = len(tokens)
        self._todo = [*self.prompt, *tokens]
        if tokens:
            self._judge(backend, tokens[-1])
        if self.reason is not None:
            self._close()

    def start(self, sequence: Sequence, now: float) -> None:
        """Begin to read on `sequence`, which may hold the beginning already."""
        self.sequence = sequence
        self.cached = len(sequence.tokens)
        self._todo = self._todo[self.cached :]
        self._started = now

    def fed(self, count: int) -> None:
        """The first `count` tokens of `todo` are in the sequence now."""
        self.held.tokens += self._todo[:count]
        del self._todo[:count]

    def draw(self, backend: Backend, row: int, now: float) -> Delta:
        """Draw the next token from logits `row`; sets `reason` when the answer is complete."""
        if self._first is None:
            self._first = now
        choice = self._sampler.sample(backend.logits(row))
        self._drawn.append(choice.token)
        self._todo = [choice.token]
        text = self._say(backend, choice)
        self._judge(backend, choice.token)
        if self.reason is not None:
            text += self._close()
        return Delta(self.request.id, self.index, text, [choice.token], self._withheld.sent(text))

    def finished(self, now: float) -> Finished:
        """The closing message of a complete answer."""
        assert self.reason is not None
        first = self._started if self._first is None else self._first
        timings = Timings(
            queue_s=self._started - self.arrived,
            prefill_s=first - self._started,
            decode_s=now - first,
            prompt_tokens=len(self.prompt),
            cached_tokens=min(self.cached, len(self.prompt)),
            completion_tokens=len(self._drawn) - self._resumed,
        )
        return Finished(self.request.id, self.index, self.reason, timings, self._text.stopped)

    def _say(self, backend: Backend, choice: Choice) -> str:
        if self._ends(backend, choice.token):
            return ""
        piece = backend.piece(choice.token)
        self._withheld.add(piece, _logprob(backend, choice))
        return self._text.push(piece)

    def _close(self) -> str:
        """The text held back, safe to send now; it can still complete a stop string."""
        text = self._text.finish()
        if self._text.stopped is not None:
            self.reason = "stop"
        return text

    def _judge(self, backend: Backend, last: int) -> None:
        """Set `reason` if the answer is complete now that `last` was drawn."""
        if self._ends(backend, last) or self._text.stopped is not None:
            self.reason = "stop"
        elif self._full(backend):
            self.reason = "length"

    def _ends(self, backend: Backend, token: int) -> bool:
        return backend.ends(token) and not self.request.ignore_eos

    def _full(self, backend: Backend) -> bool:
        limit = self.request.max_tokens
        if limit is not None and len(self._drawn) >= limit:
            return True
        return len(self.prompt) + len(self._drawn) >= backend.context


def _logprob(backend: Backend, choice: Choice) -> TokenLogprob | None:
    if choice.logprob is None:
        return None
    top = [(backend.piece(token), logprob) for token, logprob in choice.top]
    return TokenLogprob(backend.piece(choice.token), choice.logprob, top)
