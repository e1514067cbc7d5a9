"""What a gate sees and decides, and gates that wrap another: an opening, a share of the tokens."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

from edge_rt.decoding.distribution import LogitsView

Writer = Literal["small", "large"]
Look = Callable[[LogitsView], float]
"""Gets one number from a model's distribution of the next token."""

_MEMORY = 256  # measures that are remembered
_PRIOR = 12  # made-up ones at the start, which give way to what is seen
_HORIZON = 16.0  # tokens over which a surplus of one model's tokens is made up for
_BAND, _BAND_SHARE = 4.0, 0.02  # tokens, and of all tokens: a surplus that is left alone
_MOST_SURPLUS = 64.0  # tokens; what exceeds it is let go, so that no answer turns round for long
_COARSEST = 8.0  # tokens for each measure, at most, by which the horizon is drawn out


class GateVerdict(NamedTuple):
    """Whether the token that the writer would draw is taken, and who writes on.

    Only the small model's token may be left untaken, and then the large one writes in its place.
    """

    take: bool
    then: Writer


class Gate(ABC):
    """Decides token by token, for one answer.

    A gate sees one number of a model for each judgement (`looks`) and the tokens that are written
    (`took`): from the same numbers, tokens and seed, another gate of its class comes to the same
    verdicts. A higher `threshold` leaves more to the small model. `measure` is what the last
    judgement held against it; None: nothing. `opens` is who writes the first token, so that a
    model which may never be needed need not read the prompt.
    """

    opens: Writer = "small"
    threshold: float
    measure: float | None = None

    def looks(self, writer: Writer) -> Look | None:
        """Return what gets the number for judging `writer`'s next token; None: none is needed."""
        return None

    @abstractmethod
    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        """Return the verdict on the next token before `writer` draws it.

        `seen` is the number that `looks` asks for, 0 where it asks for none.
        """

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """Take note of `piece`, the bytes of a token that `writer` has written.

        Returns who writes on, in place of the verdict's `then`; None: as the verdict said.
        """
        return None


class Opening(Gate):
    """The large model writes the first tokens of an answer, and then another gate decides.

    That gate sees the opening too, and its verdict on the last token of it is the first that
    counts.
    """

    opens: Writer = "large"

    def __init__(self, gate: Gate, tokens: int) -> None:
        self.threshold = gate.threshold
        self._gate = gate
        self._left = tokens

    def looks(self, writer: Writer) -> Look | None:
        return None if self._sends_away(writer) else self._gate.looks(writer)

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        if self._sends_away(writer):
            return GateVerdict(take=False, then="large")
        verdict = self._gate.judge(writer, seen)
        self.threshold, self.measure = self._gate.threshold, self._gate.measure
        return GateVerdict(take=True, then="large") if self._left > 1 else verdict

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        then = self._gate.took(writer, piece)
        self._left = max(0, self._left - 1)
        return then if self._left == 0 else None

    def _sends_away(self, writer: Writer) -> bool:
        return self._left > 0 and writer == "small"


class Aim:
    """A threshold on some measure that the large model is called above. Ours.

    Tracks the quantile of the latest measures above which the share asked for lies, and corrects
    it by integral control: the share aimed at is lowered by the tokens that the large model has
    written beyond its share, and beyond a band of about 2 % of the answer, over a horizon. So the
    share over the answer converges although one call may bring many tokens, or measures change in
    their course. The threshold stays within a few times the measures seen; before any, they are
    taken to spread exponentially about the first threshold, as entropies roughly do (47 % above
    0.5 nat and 34 % above 1.0, on GSM8K).
    """

    def __init__(self, threshold: float, share: float | None) -> None:
        """`share` None: the threshold stays as it is."""
        self.threshold = threshold
        self._share = share
        self._surplus = 0.0
        self._tokens = 0
        self._seen = 0
        prior = [-threshold * math.log((i + 0.5) / _PRIOR) for i in range(_PRIOR)]
        self._order = sorted(prior)
        self._latest = deque(prior[i * 5 % _PRIOR] for i in range(_PRIOR))
        self._move()

    def saw(self, measure: float) -> None:
        """`measure` was held against the threshold."""
        if self._share is None:
            return
        self._seen += 1
        insort(self._order, measure)
        self._latest.append(measure)
        if len(self._latest) > _MEMORY or self._seen <= _PRIOR:
            del self._order[bisect_left(self._order, self._latest.popleft())]
        self._move()

    def took(self, *, large: bool) -> None:
        """Note a token of the large model, or else of the small one."""
        if self._share is None:
            return
        self._tokens += 1
        surplus = self._surplus + large - self._share
        self._surplus = min(max(surplus, -_MOST_SURPLUS), _MOST_SURPLUS)
        self._move()

    def _move(self) -> None:
        if self._share is None:
            return
        # Where one measure decides on many tokens, single tokens must not turn the next one.
        coarseness = min(max(self._tokens / max(self._seen, 1), 1.0), _COARSEST)
        # Correcting every token would give the large model those that come in turn, not the hard
        # ones: on made-up streams it got 63 % of the hardest so, and 75 % with this band.
        band = min(_BAND + _BAND_SHARE * self._tokens, _MOST_SURPLUS / 2.0)
        beyond = self._surplus - min(max(self._surplus, -band), band)
        aimed = self._share - beyond / (_HORIZON * coarseness)
        self.threshold = self._quantile(1.0 - min(max(aimed, 0.0), 1.0))
        # No score seen so far makes up for a larger surplus: the threshold goes beyond them.
        self.threshold *= max(1.0, 1.0 - aimed) / max(1.0, aimed)

    def _quantile(self, level: float) -> float:
        last = len(self._order) - 1
        below = int(level * last)
        step = self._order[min(below + 1, last)] - self._order[below]
        return self._order[below] + step * (level * last - below)


class ShareControl(Gate):
    """Moves a gate's threshold until the large model writes `share` of the answer. See Aim."""

    def __init__(self, gate: Gate, share: float) -> None:
        self.opens = gate.opens
        self._gate = gate
        self._aim = Aim(gate.threshold, share)
        self.threshold = self._aim.threshold

    def looks(self, writer: Writer) -> Look | None:
        return self._gate.looks(writer)

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self._gate.threshold = self.threshold
        verdict = self._gate.judge(writer, seen)
        self.measure = self._gate.measure
        if self.measure is not None:
            self._aim.saw(self.measure)
        return verdict

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._aim.took(large=writer == "large")
        self.threshold = self._aim.threshold
        return self._gate.took(writer, piece)
