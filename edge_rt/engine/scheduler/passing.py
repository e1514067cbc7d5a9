"""One pass of a model: who takes part, with how many tokens, and what that took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from edge_rt.backends.base import Backend
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import ModelSequence

Part = tuple[Generation, int]
"""Of an answer, the seat whose turn it is reads so many tokens."""


class Pass:
    """Fills the batch of a model with what `answers` have to read.

    `rows` are, for each that takes part, its request, its tokens and whether it is past its
    prompt. Those that will have read all they had to are `ready` to go on. `threads` is the most
    that any of them asks for, None: as many as there are.
    """

    def __init__(self, backend: Backend, answers: Iterable[Generation], more: int) -> None:
        """See `parts` for `more`."""
        self._backend = backend
        answers = list(apart(answers))
        self._parts = parts(answers, backend.batch.capacity, backend.outputs, more)
        self.rows = [(a.request.id, count, a.at.decoding) for a, count in self._parts]
        self.threads = _most(answer.request.threads for answer, _ in self._parts)
        backend.batch.clear()
        self.ready = [answer for answer, count in self._parts if answer.at.feed(count)]

    @property
    def size(self) -> int:
        """Tokens of all together."""
        return self._backend.batch.size

    def run(self, clock: Callable[[], float]) -> float:
        """Have the model read them; the seconds that it took."""
        begin = clock()
        self._backend.forward()
        spent = clock() - begin
        for answer, count in self._parts:
            answer.at.took(count, spent * count / self.size)
        return spent


def _most(asked: Iterable[int | None]) -> int | None:
    """The largest; None where any is."""
    most = 0
    for threads in asked:
        if threads is None:
            return None
        most = max(most, threads)
    return most


def apart(answers: Iterable[Generation]) -> Iterator[Generation]:
    """Without those who can take over what an older one is reading, when it has been read."""
    readers: list[ModelSequence] = []
    for answer in answers:
        seat = answer.at
        if not seat.decoding:
            if any(map(seat.follows, readers)):
                continue
            seat.refill()
            readers.append(seat)
        yield answer


def parts(answers: Iterable[Generation], capacity: int, outputs: int, more: int) -> list[Part]:
    """Every answer past its prompt has a row; at most `more` rows are shared out beyond those.

    They go to what else such answers have to read, and then to prompts, the oldest first, for
    which half of them is kept: a stream may draft in every pass. A pass has `capacity` rows and
    keeps the logits of `outputs`, of one a seat at least.
    """
    answers = sorted(answers, key=lambda answer: not answer.at.decoding)
    streams = sum(answer.at.decoding for answer in answers)
    more, spare = min(capacity - streams, more), outputs - len(answers)
    kept = 0 if streams == len(answers) else (more + 1) // 2
    found: list[Part] = []
    for answer in answers:
        seat = answer.at
        own, room = (1, more + 1 - kept) if seat.decoding else (0, more)
        if room > 0:
            count = seat.fit(room, 1 + spare)
            more -= count - own
            spare -= seat.drafted
            found.append((answer, count))
    # In the order of the sequences: llama.cpp joins only neighbours into one pass.
    found.sort(key=lambda part: part[0].at.held.id)
    return found
