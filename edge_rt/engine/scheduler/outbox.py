"""Messages on their way to the front, and the requests that the engine's time was spent on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge_rt.engine.protocol import Delta, EngineWork, StepOutput, WorkShare


class WorkLog:
    """Adds up passes; a pass is shared among its requests by their rows of the batch."""

    def __init__(self) -> None:
        self._begin_s: float | None = None
        self._end_s = 0.0
        self._spent: dict[int, list[float]] = {}  # request -> seconds in prompt and in answer

    def __bool__(self) -> bool:
        return self._begin_s is not None

    def add(self, begin_s: float, end_s: float, rows: Iterable[tuple[int, int, bool]]) -> None:
        """Book one pass; a row is a request, its number of tokens, and whether it is decoding."""
        rows = list(rows)
        size = sum(count for _, count, _ in rows)
        if self._begin_s is None:
            self._begin_s = begin_s
        self._end_s = end_s
        for request, count, decoding in rows:
            spent = self._spent.setdefault(request, [0.0, 0.0])
            spent[decoding] += (end_s - begin_s) * count / size

    def take(self, now_s: float) -> EngineWork:
        """What was booked since the last call; with nothing booked, that there is no more."""
        begin_s = now_s if self._begin_s is None else self._begin_s
        end_s = now_s if self._begin_s is None else self._end_s
        shares = [WorkShare(request, *spent) for request, spent in self._spent.items()]
        self._begin_s, self._spent = None, {}
        return EngineWork(begin_s, end_s, shares)


PAUSE_S = 0.02  # between two messages: 50 a second look as smooth as any number


class Outbox:
    """Sends messages at once, unless it sent one less than `pause_s` ago.

    Each message wakes the front and a client, on a core that the model would use.
    """

    def __init__(self, emit: Callable[[StepOutput], None], pause_s: float = PAUSE_S) -> None:
        self.work = WorkLog()
        self._emit = emit
        self._pause_s = pause_s
        self._held: dict[tuple[int, int], Delta] = {}  # by request and answer
        self._sent_s = float("-inf")

    def put(self, deltas: Iterable[Delta], now: float, *, urgent: bool) -> None:
        """Take `deltas`, perhaps none; with `urgent`, nothing is held back any longer."""
        for delta in deltas:
            key = delta.id, delta.index
            before = self._held.get(key)
            self._held[key] = delta if before is None else _joined(before, delta)
        if urgent or now - self._sent_s >= self._pause_s:
            self.flush(now)

    def flush(self, now: float) -> None:
        """Send what is held back."""
        if self._held or self.work:
            self._send(now)

    def forget(self, request_id: int, now: float) -> None:
        """Drop the deltas of a request that nobody waits for, and send its counts so far."""
        self._held = {key: d for key, d in self._held.items() if key[0] != request_id}
        self._send(now)

    def _send(self, now: float) -> None:
        self._emit(StepOutput(list(self._held.values()), self.work.take(now)))
        self._held.clear()
        self._sent_s = now


def _joined(a: Delta, b: Delta) -> Delta:
    tokens, logprobs = [*a.tokens, *b.tokens], [*a.logprobs, *b.logprobs]
    seen = [*a.seen, *b.seen]
    return Delta(a.id, a.index, a.text + b.text, tokens, logprobs, b.made, b.withheld, seen)
