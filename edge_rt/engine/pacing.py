"""How long the engine computes at a stretch, and how long it rests in between."""

from __future__ import annotations

import math

REST_S = 0.005  # the shortest rest: shorter ones are put together, they would be mostly waking up
CREDIT_S = 0.01  # of what was rested too long, the most that later rests are shortened by
LONGEST_S = 60.0  # no rest is longer, whatever the pass before it took
PASS_S = 0.5  # seconds that one pass of prompt tokens should take at most when nothing streams
SLICE_S = 0.05  # and one of another model while answers stream: the least that limits ask for


class Pacer:
    """Spreads rests among passes, so that the engine computes for `duty` of the time.

    After t seconds of computing t·(1/duty - 1) seconds of rest are due. What a rest was too short
    or too long is carried over. It has no clock: it is told what was spent.
    """

    def __init__(self) -> None:
        self._duty = 1.0
        # Since the last rest was over: seconds computed, the rest due for them by the duty of
        # then, and what of it was rested (or had been rested too much before).
        self._spent_s = self._due_s = self._rested_s = 0.0

    @property
    def duty(self) -> float:
        """Share of the time to compute, 0 to 1; 0 stops until it is set again.

        A rest under way becomes shorter when it rises. A lower one counts from the next pass on.
        """
        return self._duty

    @duty.setter
    def duty(self, duty: float) -> None:
        self._duty = min(1.0, max(0.0, duty))
        self._settle()

    @property
    def pause_s(self) -> float:
        """Seconds to rest before the next pass: 0, or at least REST_S; inf at duty 0."""
        if self._duty == 0.0:
            return math.inf
        left_s = self._left_s()
        return left_s if left_s >= REST_S else 0.0

    def computed(self, seconds: float) -> None:
        """The engine computed for `seconds`."""
        self._spent_s += seconds
        self._due_s += seconds * self._factor()
        self._settle()

    def rested(self, seconds: float) -> None:
        """The engine did nothing for `seconds`."""
        self._rested_s += seconds
        self._settle()

    def _factor(self) -> float:
        """Seconds of rest for one of computing."""
        return 1.0 / self._duty - 1.0 if self._duty > 0.0 else 0.0

    def _left_s(self) -> float:
        due_s = self._due_s
        if self._duty > 0.0:
            due_s = min(due_s, self._spent_s * self._factor())
        return min(due_s, LONGEST_S) - self._rested_s

    def _settle(self) -> None:
        left_s = self._left_s()
        if left_s < REST_S:  # the rest is over; what it left is carried over
            self._spent_s = self._due_s = 0.0
            self._rested_s = min(-left_s, CREDIT_S)


class Portion:
    """How many prompt tokens a pass may carry.

    While answers stream, at most `chunk`; otherwise as many as fit into about half a second, so
    that a cancelled request is gone and a new one is seen soon.
    """

    def __init__(self, chunk: int) -> None:
        """`chunk` in tokens."""
        self.most: int | None = None  # tokens that no pass may exceed, streaming or not
        self._chunk = chunk
        self._rate = 0.0  # prompt tokens a second, smoothed; 0: not known yet

    def tokens(self, *, brief: bool) -> int:
        """Prompt tokens of the next pass, at least one. `brief`: streams are waiting for it."""
        wanted = self._chunk
        if not brief:
            wanted = max(wanted, int(self._rate * PASS_S))
        return wanted if self.most is None else max(1, min(wanted, self.most))

    def took(self, tokens: int, seconds: float) -> None:
        """A pass of `tokens` took `seconds`; small ones, mostly of answers, teach nothing."""
        if tokens >= self._chunk and seconds > 0:
            rate = tokens / seconds
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate


class Slice:
    """How many tokens a pass of an embedding model may carry: as many as fit into a time.

    That is SLICE_S while others' answers stream or the limits bound passes, which they do in
    tokens of language models, and else PASS_S.
    """

    def __init__(self) -> None:
        self.most: int | None = None  # as the limits have it; only whether there is one counts
        self._rate = 0.0  # tokens a second, smoothed; 0: not known yet

    def tokens(self, *, brief: bool) -> int:
        """Of the next pass, at least one. `brief`: streams are waiting for it."""
        seconds = SLICE_S if brief or self.most is not None else PASS_S
        return max(1, int(self._rate * seconds))

    def took(self, tokens: int, seconds: float) -> None:
        """A pass of `tokens` took `seconds`."""
        if seconds > 0:
            rate = tokens / seconds
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
