"""The passes of a model: who takes part, how many tokens each carries, and the rests between."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from edge_rt.backends.base import Backend
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import ModelSequence

REST_S = 0.005  # the shortest rest: shorter ones are put together, they would be mostly waking up
CREDIT_S = 0.01  # of what was rested too long, the most that later rests are shortened by
LONGEST_S = 60.0  # no rest is longer, whatever the pass before it took
PASS_S = 0.5  # seconds that one pass of prompt tokens should take at most when nothing streams
SLICE_S = 0.05  # and one of another model while answers stream: the least that limits ask for


class DutyCycle:
    """Spreads rests among passes, so that the engine computes for a duty's share of the time.

    After t seconds of computing t·(1/duty - 1) seconds of rest are due. Passes that read prompts
    have a duty of their own, since they draw more power. The next rest makes up for one that was
    too short or too long. The caller tells it the times.
    """

    def __init__(self) -> None:
        self._duties = 1.0, 1.0  # of passes that only decode, and of those that read prompts
        # Since the end of the last rest: seconds computed by kind of pass, the rest due for them by
        # the duties at that time, and the seconds rested, with those rested too much before.
        self._spent_s = [0.0, 0.0]
        self._due_s = self._rested_s = 0.0

    @property
    def duty(self) -> float:
        """Share of the time to compute, 0 to 1, where no prompt is read; 0 stops all passes."""
        return self._duties[0]

    def pace(self, duty: float, prompt_duty: float | None = None) -> None:
        """Set the duties; None: prompts have no duty of their own. 0 stops until it is set again.

        A rest under way gets shorter when they rise; lower ones count from the next pass on.
        """
        prompt_duty = duty if prompt_duty is None or not duty else prompt_duty
        self._duties = _share(duty), _share(prompt_duty)
        self._settle()

    @property
    def pause_s(self) -> float:
        """Seconds to rest before the next pass: 0, or at least REST_S; inf at duty 0."""
        if self.duty == 0.0:
            return math.inf
        if self._due_s == 0.0:
            return 0.0
        left_s = self._left_s()
        return left_s if left_s >= REST_S else 0.0

    def computed(self, seconds: float, *, prompts: bool = False) -> None:
        """Note that the engine computed for `seconds`, in a pass that read prompts or not."""
        factor = self._factor(prompts)
        if factor == 0.0 == self._due_s:  # as always without a limit, which is asked in every pass
            self._rested_s = min(self._rested_s, CREDIT_S)
            return
        self._spent_s[prompts] += seconds
        self._due_s += seconds * factor
        self._settle()

    def rested(self, seconds: float) -> None:
        """Note that the engine did nothing for `seconds`."""
        self._rested_s += seconds
        self._settle()

    def _factor(self, prompts: bool) -> float:
        """Return seconds of rest for one of computing."""
        duty = self._duties[prompts]
        return 1.0 / duty - 1.0 if duty > 0.0 else 0.0

    def _left_s(self) -> float:
        due_s = self._due_s
        if self.duty > 0.0:
            now_s = sum(self._spent_s[kind] * self._factor(bool(kind)) for kind in (0, 1))
            due_s = min(due_s, now_s)
        return min(due_s, LONGEST_S) - self._rested_s

    def _settle(self) -> None:
        left_s = self._left_s()
        if left_s < REST_S:  # the rest is over; its remainder is carried over
            self._spent_s = [0.0, 0.0]
            self._due_s = 0.0
            self._rested_s = min(-left_s, CREDIT_S)


def _share(duty: float) -> float:
    return min(1.0, max(0.0, duty))


class PassBudget(ABC):
    """How many tokens fit into a time, by the passes so far."""

    def __init__(self) -> None:
        self.most: int | None = None  # tokens of prompts that the limits allow; None: any number
        self._rate = 0.0  # tokens a second, smoothed; 0: not known yet

    def took(self, tokens: int, seconds: float) -> None:
        """Note that a pass of `tokens` took `seconds`."""
        if seconds > 0:
            rate = tokens / seconds
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate

    @abstractmethod
    def tokens(self, *, brief: bool) -> int:
        """Return tokens of the next pass, at least one. `brief`: streams wait for it."""


class PrefillBudget(PassBudget):
    """How many prompt tokens a pass may carry.

    While answers stream, at most `chunk`; otherwise as many as fit into about half a second, so
    that cancelled and new requests are seen soon.
    """

    def __init__(self, chunk: int) -> None:
        """`chunk` in tokens."""
        super().__init__()
        self._chunk = chunk

    def tokens(self, *, brief: bool) -> int:
        wanted = self._chunk
        if not brief:
            wanted = max(wanted, int(self._rate * PASS_S))
        return wanted if self.most is None else max(1, min(wanted, self.most))

    def took(self, tokens: int, seconds: float) -> None:
        """Note a pass of `tokens` in `seconds`; small ones, mostly of answers, teach nothing."""
        if tokens >= self._chunk:
            super().took(tokens, seconds)


class Slice(PassBudget):
    """How many tokens a pass of an embedding model may carry.

    As many as fit into SLICE_S while answers stream or the limits bound passes, else PASS_S.
    """

    def tokens(self, *, brief: bool) -> int:
        seconds = SLICE_S if brief or self.most is not None else PASS_S
        return max(1, int(self._rate * seconds))


Part = tuple[Generation, int]
"""Of an answer, the sequence whose turn it is reads so many tokens."""


class Pass:
    """Fills the batch of a model with what `answers` have to read.

    `rows` are, for each, its request, its tokens and whether it is past its prompt. Those that will
    have read everything are `ready`. `threads` is the most that any asks for; None: all.
    """

    def __init__(self, backend: Backend, answers: Iterable[Generation], more: int) -> None:
        """`more` rows at most are shared out; see `parts`."""
        self._backend = backend
        answers = list(apart(answers))
        self._parts = parts(answers, backend.batch.capacity, backend.outputs, more)
        self.rows = [(a.request.id, count, a.at.decoding) for a, count in self._parts]
        self.threads = _most([answer.request.threads for answer, _ in self._parts])
        backend.batch.clear()
        self.ready = [answer for answer, count in self._parts if answer.at.feed(count)]
        self.size = backend.batch.size  # tokens of all together

    def run(self, clock: Callable[[], float]) -> float:
        """Have the model read them; the seconds that it took."""
        begin = clock()
        self._backend.forward()
        spent = clock() - begin
        for answer, count in self._parts:
            answer.at.took(count, spent * count / self.size)
        return spent


def _most(asked: Iterable[int | None]) -> int | None:
    """Return the largest; None where any is."""
    most = 0
    for threads in asked:
        if threads is None:
            return None
        most = max(most, threads)
    return most


def apart(answers: Iterable[Generation]) -> Iterator[Generation]:
    """Yield the answers but for those that will copy what an older one is reading."""
    readers: list[ModelSequence] = []
    for answer in answers:
        sequence = answer.at
        if not sequence.decoding:
            if any(map(sequence.follows, readers)):
                continue
            sequence.refill()
            readers.append(sequence)
        yield answer


def parts(answers: Iterable[Generation], capacity: int, outputs: int, more: int) -> list[Part]:
    """Give each answer past its prompt a row, and share out at most `more` rows beyond those.

    They go to other unread tokens of such answers, and half of them to prompts, the oldest first. A
    pass has `capacity` rows and keeps the logits of `outputs`, of one a sequence at least.
    """
    answers = list(answers)
    streams = sum([answer.at.decoding for answer in answers])
    if streams < len(answers):
        answers.sort(key=lambda answer: not answer.at.decoding)
    more, spare = min(capacity - streams, more), outputs - len(answers)
    kept = 0 if streams == len(answers) else (more + 1) // 2
    found: list[Part] = []
    for answer in answers:
        sequence = answer.at
        own, room = (1, more + 1 - kept) if sequence.decoding else (0, more)
        if room > 0:
            count = sequence.fit(room, 1 + spare)
            more -= count - own
            spare -= sequence.drafted
            found.append((answer, count))
    if len(found) > 1:  # in the order of the sequences: llama.cpp joins only neighbours
        found.sort(key=lambda part: part[0].at.held.id)
    return found


def by_turn(
    waiting: Sequence[Generation],
    running: Sequence[Generation],
    sequences: int,
    served: Mapping[str, int],
) -> list[Generation]:
    """Return those of `waiting` that may start on a model of so many sequences.

    The first is the oldest of the client and the request with the fewest `running`, and of such
    clients the one whose turn in `served` is the longest ago: a client that asks for many answers
    does not hold up the others. A request with more answers left than there are sequences leaves
    the last one to others.
    """
    clients, groups = Counter(map(client_of, running)), Counter(map(_group, running))
    left = groups + Counter(map(_group, waiting))
    most = {group: max(1, sequences - (count > sequences)) for group, count in left.items()}
    able = [answer for answer in waiting if groups[_group(answer)] < most[_group(answer)]]

    def turn(answer: Generation) -> tuple[float, ...]:
        client = client_of(answer)
        return clients[client], served.get(client, 0), groups[_group(answer)], answer.arrived

    return sorted(able, key=turn)


def gives_way(first: Generation, running: Sequence[Generation]) -> Generation | None:
    """Return the one of `running` whose sequence goes to `first`, where there is no free one.

    It is the shortest answer of the client with the most of them, if that has several and the
    client of `first` has none. Answers of two models stay, and so do those that still read.
    """
    clients = Counter(map(client_of, running))
    if not clients or clients[client_of(first)]:
        return None
    client, most = clients.most_common(1)[0]
    able = [
        answer
        for answer in running
        if client_of(answer) == client and answer.at.decoding and len(answer.sequences) == 1
    ]
    return min(able, key=lambda a: len(a.at.text), default=None) if most > 1 else None


def _group(answer: Generation) -> str:
    return answer.request.group or str(answer.request.id)


def client_of(answer: Generation) -> str:
    """Return who shares turns with others for an answer: the user, or else the request."""
    return answer.request.user or answer.request.client or _group(answer)
