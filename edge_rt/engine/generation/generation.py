"""One answer in the making: from what its seats draw to the deltas that the front receives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_rt.backends.base import Backend
from edge_rt.decoding.distribution import DoubtMeter, Logits, View
from edge_rt.decoding.gate import Look
from edge_rt.decoding.params import Made, TokenLogprob
from edge_rt.decoding.sampler import Choice
from edge_rt.decoding.text import TextStream
from edge_rt.engine.generation.model_sequence import Home, ModelSequence
from edge_rt.engine.generation.tokens import Replay, StopHoldback, TokenProvenance
from edge_rt.engine.protocol import Delta, Finished, Generate, Timings

DecodingStrategy = Iterator[ModelSequence]
"""How an answer is made: says which seat is to read next, and is asked again when it has."""


class Generation:
    """Answer `index` of `request`, made on `seats`, one for each of its models.

    The first seat is on the model that the request names. `at` is the one whose turn it is: the
    others read nothing. `past` is what was told of it before, and is not taken yet.
    """

    def __init__(
        self,
        request: Generate,
        index: int,
        seats: Sequence[ModelSequence],
        text: TextStream,
        now: float,
    ) -> None:
        self.request = request
        self.index = index
        self.seats = seats
        self.at = seats[0]
        self.authors = TokenProvenance(seats)
        self.past = Replay(request.resume.get(index, ()), request.seen.get(index, ()))
        self.reason: str | None = None
        self.doubts = DoubtMeter()
        self.first = False  # whether the last delta was the first of all
        self._text = text
        self._withheld = StopHoldback()
        self.arrived = self._started = now  # readings of the clock
        self._first: float | None = None  # when this engine drew its first token
        self._course: DecodingStrategy = iter(())
        self._resumed = self._told = 0  # tokens that an earlier engine drew, and that were told
        self._new = ""  # text that is to be told
        self._seen: list[float] = []  # what was judged by and is to be told

    @property
    def home(self) -> Home:
        """Where the model is that the request names."""
        return self.seats[0].home

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.reason is None

    @property
    def seatable(self) -> bool:
        """Whether there is a sequence for each seat."""
        return all(seat.home.pool.free for seat in self.seats)

    @property
    def pending(self) -> bool:
        """Whether something that it begins with is on its way from the disk."""
        return any(seat.pending for seat in self.seats)

    def fetch(self) -> None:
        """Have that come, where it is sooner there than read; see ModelSequence."""
        for seat in self.seats:
            seat.fetch(self.request)

    @property
    def room(self) -> int:
        """How many more tokens there may be."""
        seat = self.seats[0]  # which goes on alone where others are full
        left = seat.backend.context - len(seat.text)
        limit = self.request.max_tokens
        return left if limit is None else min(left, limit - len(self.authors.tokens))

    def resume(self) -> None:
        """Take all of the past, for a course that begins behind it."""
        while not self.past.over:
            self.retell()

    @property
    def retold(self) -> tuple[ModelSequence, int] | None:
        """Whose token comes next in the past, and which of its model's; None: it is over."""
        return None if self.past.over else self.authors.author(self.past.tokens[0])

    def retell(self) -> None:
        """Take that token as drawn and told before; the next delta goes on behind the past."""
        seat, token = self.authors.author(self.past.tokens.popleft())
        if seat is not self.at:
            self._turn_to(seat)
        seat.sampler.feed((token,))
        if not self.take(seat, Choice(token, None, [])):
            self.past.tokens.clear()
        if self.past.over:
            self._withheld.sent(self._new)
            self._withheld.recall(self.request.withheld.get(self.index, ()))
            self._new = ""
            self._resumed = self._told = len(self.authors.tokens)

    def count_on(self, made: Made) -> None:
        """Count on from what was told of the tokens that it was resumed with.

        For modes in which models read other tokens than those that the other one wrote.
        """
        for seat in self.seats:
            seat.catch_up()
        self.authors.count_on(made)

    def begin(self, course: DecodingStrategy) -> None:
        """Be made in that way; what is left of the past is gone through first."""
        self._course, seat = course, next(course, None)
        while seat is not None and self.open and not self.past.over:
            self._turn_to(seat)
            seat = next(course, None)
        if seat is not None and self.open:
            self._turn_to(seat)

    def start(self, now: float) -> None:
        """Take the sequences and begin to read."""
        for seat in self.seats:
            seat.sit(self.request)
        self._started = now

    def go_on(self, now: float) -> Delta | None:
        """The seat at turn has read all it was to; what is to be told of what comes of it.

        Sets `reason` when the answer is complete.
        """
        seat = next(self._course, None)
        assert seat is not None or not self.open, "a course leads to the end"
        if seat is not None and self.open:
            self._turn_to(seat)
            seat.asked()
        return self._delta(now)

    def take(self, seat: ModelSequence, choice: Choice, *, by: ModelSequence | None = None) -> bool:
        """Go on by what the sampler of `seat` recorded; whether to go on behind it.

        It counts as the work of `by`, or of that seat.
        """
        piece = seat.backend.piece(choice.token)
        for other in self.seats:
            if other is not seat:
                other.hear(choice.token, piece)
        seat.say(choice)
        self.authors.wrote(by or seat, choice.token)
        if seat.backend.ends(choice.token) and not self.request.ignore_eos:
            self._end("stop")
            return False
        self._withheld.add(piece, _logprob(seat.backend, choice))
        self._new += self._text.push(piece)
        if self._text.stopped is not None:
            self._end("stop")
        elif self.room <= 0:
            self._end("length")
        return self.open

    def see(self, seat: ModelSequence, look: Look) -> float | None:
        """What `look` gives of what the seat has read; in the past, what it gave then.

        None: that was not told.
        """
        if not self.past.over:
            return self.past.seen.popleft() if self.past.seen else None
        self.saw(look(View(seat.logits())))
        return self._seen[-1]

    def saw(self, number: float) -> None:
        """That is judged by before the next token is taken, and told with it."""
        self._seen.append(number)

    def look(self, logits: Logits) -> None:
        """They are what the model that the request names makes of the next token."""
        if not self._resumed and not self.doubts.complete:
            self.doubts.look(View(logits))

    def finished(self, now: float) -> Finished:
        """The closing message of a complete answer."""
        assert self.reason is not None
        first = self._started if self._first is None else self._first
        seat = self.seats[0]
        timings = Timings(
            queue_s=self._started - self.arrived,
            prefill_s=first - self._started,
            decode_s=now - first,
            prompt_tokens=len(seat.prompt),
            cached_tokens=min(seat.cached, len(seat.prompt)),
            completion_tokens=len(self.authors.tokens) - self._resumed,
        )
        stop = self._text.stopped
        made, doubt = self._made, self.doubts.doubt
        return Finished(self.request.id, self.index, self.reason, timings, stop, made, doubt)

    @property
    def _made(self) -> Made | None:
        return self.authors.made if self.request.mode else None

    def _turn_to(self, seat: ModelSequence) -> None:
        self.at = seat
        self.authors.caught_up(seat.catch_up())
        if seat.full:
            self._end("length")

    def _end(self, reason: str) -> None:
        """What was held back is safe to send now; it can still complete a stop string."""
        self._new += self._text.finish()
        self.reason = reason if self._text.stopped is None else "stop"

    def _delta(self, now: float) -> Delta | None:
        tokens = self.authors.tokens[self._told :]
        if not tokens and self.open:
            return None
        if self._first is None:
            self._first = now
        self.first = self._told == 0
        self._told += len(tokens)
        text, self._new = self._new, ""
        seen, self._seen = self._seen, []
        logprobs = self._withheld.sent(text)
        withheld = self._withheld.waiting if self.open else []
        id, made = self.request.id, self._made
        return Delta(id, self.index, text, tokens, logprobs, made, withheld, seen)


def _logprob(backend: Backend, choice: Choice) -> TokenLogprob | None:
    if choice.logprob is None:
        return None
    top = [(backend.piece(token), logprob) for token, logprob in choice.top]
    return TokenLogprob(backend.piece(choice.token), choice.logprob, top)
