"""The tokens of an answer: which model wrote them, and which are held back."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from edge_rt.core.decoding import Made, TokenLogprob
from edge_rt.engine.generation.model_sequence import ModelSequence


class StopHoldback:
    """Keeps each token's log-probability until all of the token's text has been sent.

    So a token that a stop string cuts off, or in two, is never reported.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._end = 0  # characters of all tokens so far
        self._sent = 0  # characters of them that have gone out
        self._waiting: deque[tuple[int, TokenLogprob | None]] = deque()

    @property
    def waiting(self) -> list[TokenLogprob]:
        """The log-probabilities of the last tokens, which go out with text still to come."""
        return [logprob for _, logprob in self._waiting if logprob is not None]

    def recall(self, waiting: Sequence[TokenLogprob]) -> None:
        """Set the log-probabilities of the last tokens, which were added without."""
        ends = [end for end, _ in reversed(self._waiting)]
        self._waiting = deque(reversed([*zip(ends, reversed(waiting), strict=False)]))

    def add(self, piece: bytes, logprob: TokenLogprob | None) -> None:
        """Add the next token, of the bytes `piece`. None: nothing is to be said about it."""
        self._end += len(self._decoder.decode(piece))
        unfinished = bool(self._decoder.getstate()[0])
        self._waiting.append((self._end + unfinished, logprob))

    def sent(self, text: str) -> list[TokenLogprob]:
        """`text` goes out; what may go out with it."""
        self._sent += len(text)
        out: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][0] <= self._sent:
            _, logprob = self._waiting.popleft()
            out += [] if logprob is None else [logprob]
        return out


class TokenProvenance:
    """Tokens by sequence: the first is of the model that the request names, the second its partner.

    `tokens` are as the front receives them: those of the partner have the size of the first model's
    vocabulary added.
    """

    def __init__(self, sequences: Sequence[ModelSequence]) -> None:
        self.tokens: list[int] = []
        self._sequences = sequences
        self._mark = sequences[0].backend.vocab
        self._written = [0] * len(sequences)
        self._last: ModelSequence | None = None
        self.catch_up = 0  # tokens that a sequence was to read of what others wrote
        self.switches = self._accepted = self._rejected = 0
        self.threshold: float | None = None  # of the gate

    @property
    def made(self) -> Made:
        """What it comes to."""
        return Made(
            small=sum(self._written[1:]),
            large=self._written[0],
            switches=self.switches,
            catch_up=self.catch_up,
            accepted=self._accepted,
            rejected=self._rejected,
            threshold=self.threshold,
        )

    def count_on(self, made: Made) -> None:
        """Begin where `made` ends with what the tokens do not tell."""
        self.catch_up, self.switches, self.threshold = made.catch_up, made.switches, made.threshold
        self._accepted, self._rejected = made.accepted, made.rejected

    def wrote(self, sequence: ModelSequence, token: int) -> None:
        """Note that the next token is `token`, of that sequence's model."""
        place = self._sequences.index(sequence)
        self.tokens.append(token + place * self._mark)
        self._written[place] += 1
        self.switches += self._last is not None and self._last is not sequence
        self._last = sequence

    def author(self, told: int) -> tuple[ModelSequence, int]:
        """Return the sequence that the token is of, and its id in that model."""
        place = min(told // self._mark, len(self._sequences) - 1)  # its vocabulary may be larger
        return self._sequences[place], told - place * self._mark

    def verified(self, accepted: int, rejected: int) -> None:
        """Count the tokens of a draft that were accepted and rejected."""
        self._accepted += accepted
        self._rejected += rejected
