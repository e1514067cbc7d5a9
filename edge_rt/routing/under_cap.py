"""Which way two models answer where a cap slows the large one down."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from statistics import median
from typing import Literal, NamedTuple

from edge_rt.core.decoding import Mode
from edge_rt.core.routing import USUAL_TOKENS, Objectives, Prediction, Served, Unpredicted
from edge_rt.models.pair import LOOKUP, SINGLE, SPECULATIVE, SWITCH
from edge_rt.models.record import ModelRecord
from edge_rt.routing.quality import Floor, figure

Switch = Literal["lossy", "lossless", "off"]
Predict = Callable[[ModelRecord, int], Prediction | Unpredicted]
"""What an answer of USUAL_TOKENS takes with so many threads at full speed."""

BINDS = 0.97  # of the speed: what a cap leaves where it is felt
DRAFTED, BROUGHT = 3.0, 2.53  # tokens of a draft, and what its pass brings at 0.7 accepted each
UNTRIED = 0.95  # of the time, by lookup, before any answer has shown it
LEAST_SHARE = 1.0 / 16.0  # a draft has 15 tokens at most
RECOVERED = 0.75  # of the way from the small model's figure to the large one's, with the gate
KEEPS = 0.95  # of a floor that no request names, which the gate may fall short to
SMALL = "small"
MEMORY = 16  # answers
FEW = 32  # tokens of an answer, below which it teaches nothing


class PairCosts(NamedTuple):
    """Seconds over those for a token of the large model alone.

    `small` for a token of the small one, `read` for a token that the large one reads.
    """

    small: float
    read: float


class Way(NamedTuple):
    """A way to answer: its seconds over those of the large model alone, and its figure.

    While power is the same in all ways the joules are in the same ratio.
    """

    name: str
    time: float
    quality: float | None
    share: float | None = None  # of the tokens, for the large model to write
    quickest: float | None = None  # its seconds with the least share

    @property
    def cost(self) -> float:
        """Joules a right token, in joules a token of the large model alone."""
        return self.time / (self.quality or 1.0)

    @property
    def least_cost(self) -> float:
        """The same with the least share."""
        return self.cost if self.quickest is None else self.cost * self.quickest / self.time

    def told(self, token_j: float | None) -> str:
        """Say what it takes; `token_j` are the joules of a token of the large model alone."""
        share = "" if self.share is None else f" with {self.share:.0%} by the large model"
        took = f"{self.name}{share} {self.time:.2f} of the time"
        if token_j is None or self.quality is None:
            return took
        return f"{took}, {token_j * self.cost:.3g} J a right token"


class Choice(NamedTuple):
    """The way that is taken, in order all that pay, and why."""

    way: Way
    ways: tuple[Way, ...]
    why: str


def share_for(time: float, costs: PairCosts) -> float:
    """Return the share of the large model's tokens with which an answer takes `time` of its own.

    s = (d - r - b)/(1 - r - b), from d = s + (1 - s)·(r + b): the small model writes the others in
    r each, and the large one reads them in b each.
    """
    cheap = costs.small + costs.read
    share = (time - cheap) / (1.0 - cheap) if cheap < 1.0 else 1.0
    return min(1.0, max(LEAST_SHARE, share))


def gate_time(share: float, costs: PairCosts) -> float:
    """Return s + (1 - s)·(r + b); see share_for."""
    return share + (1.0 - share) * (costs.small + costs.read)


def spread(share: float) -> float:
    """Return the size that a `share` of numbers exceed which spread exponentially about 1."""
    return max(0.01, -math.log(share))


def choose(ways: list[Way], left: float, token_j: float | None = None) -> Choice:
    """Return the first way that makes up for a cap, which leaves `left` of the speed.

    If there is none, the quickest. A way that cannot cost fewer joules a right token than those
    before it is left out.
    """
    paying: list[Way] = []
    for way in ways:
        if not paying or way.least_cost < min(one.cost for one in paying):
            paying.append(way)
    enough = next((way for way in paying if way.time <= left), None)
    taken = enough or min(paying, key=lambda way: way.time)
    told = "; ".join(way.told(token_j) for way in paying)
    lacks = "" if enough else ", which nothing makes up for"
    return Choice(taken, tuple(paying), f"a cap leaves {left:.0%} of the speed{lacks}: {told}")


def _token_j(found: Prediction | Unpredicted) -> float | None:
    """Return the joules of a written token; None: not known."""
    if isinstance(found, Unpredicted) or found.energy_j is None:
        return None
    return found.energy_j * found.decode_s / found.seconds / USUAL_TOKENS.completion


def latest() -> deque[float]:
    """Return a place for what the latest answers showed."""
    return deque(maxlen=MEMORY)


class UnderCap:
    """Chooses how a model answers with a smaller one beside it, and learns what that takes."""

    def __init__(self, switch: Switch, predict: Predict, floor: Floor) -> None:
        self._switch: Switch = switch
        self._predict, self._floor = predict, floor
        # By the ids of both models and the mode: seconds over those expected, and of the gate the
        # threshold, in bits, over that for entropies that spread exponentially about 1 bit.
        self._took: defaultdict[tuple[str, str | None, str], deque[float]] = defaultdict(latest)
        self._bits: defaultdict[tuple[str, str], deque[float]] = defaultdict(latest)

    @property
    def lossy(self) -> bool:
        """Whether the small model may write by itself."""
        return self._switch == "lossy"

    def choose(
        self,
        large: ModelRecord,
        small: ModelRecord | None,
        objectives: Objectives,
        threads: int,
        left: float,
    ) -> Choice | None:
        """Return how `large` answers requests that name no mode where `left` is left of its speed.

        None: as without a cap, when nothing is lost. `small` has the same vocabulary; None: there
        is no such model. No way is below the floor, nor lossy where a figure is not known.
        """
        if self._switch == "off":
            return None
        alone = Way(SINGLE, 1.0, figure(large))
        ways = [alone, self._lossless(large, None, LOOKUP, UNTRIED)]
        ours = self._predict(large, threads)
        costs = None if small is None else self._costs(ours, small, threads)
        if small is not None and costs is not None:
            drafted = (1.0 + DRAFTED * (costs.small + costs.read)) / BROUGHT
            ways.append(self._lossless(large, small, SPECULATIVE, drafted))
            if self.lossy:
                ways += self._lossy(large, small, objectives, costs, left)
        found = choose(ways, left, _token_j(ours))
        return None if found.way is alone else found

    def _costs(
        self, ours: Prediction | Unpredicted, small: ModelRecord, threads: int
    ) -> PairCosts | None:
        """Return what the tokens of a pair cost, `ours` of the large model; None: not known."""
        its = self._predict(small, threads)
        if isinstance(ours, Unpredicted) or isinstance(its, Unpredicted):
            return None
        token_s = ours.decode_s / USUAL_TOKENS.completion
        read = ours.prefill_s / USUAL_TOKENS.prompt / token_s
        return PairCosts(its.decode_s / ours.decode_s, read)

    def bits(self, large: ModelRecord, small: ModelRecord, share: float) -> float:
        """Return the threshold in bits from which the gate seeks the one for `share`."""
        return median((1.0, *self._bits[large.id, small.id])) * spread(share)

    def learn(
        self,
        large: ModelRecord,
        small: ModelRecord | None,
        mode: Mode,
        threads: int,
        served: Served,
    ) -> None:
        """Take what an answer took in another mode than `large` by itself."""
        alone = self._predict(large, threads)
        if isinstance(alone, Unpredicted) or served.completion_tokens < FEW or served.mask_wait_s:
            return  # under a constraint waits and tokens without a choice tell nothing of the mode
        alone_s = alone.decode_s * (served.completion_tokens - 1) / (USUAL_TOKENS.completion - 1)
        ratio, made, its = served.decode_s / alone_s, served.made, small and small.id
        if mode.gating is None:
            self._took[large.id, its, mode.name].append(ratio)
        elif small is not None and made is not None:
            costs = self._costs(alone, small, threads)
            share = made.large / max(1, made.large + made.small)
            if costs is not None:
                self._took[large.id, its, mode.name].append(ratio / gate_time(share, costs))
            if made.threshold is not None and mode.gating.share is not None:
                self._bits[large.id, small.id].append(made.threshold / spread(mode.gating.share))

    def _lossless(
        self, large: ModelRecord, small: ModelRecord | None, name: str, untried: float
    ) -> Way:
        took = median((untried, *self._took[large.id, small and small.id, name]))
        # Lookup costs an answer nothing, whatever long prompts made of others: it stays in use.
        return Way(name, min(untried, took) if name == LOOKUP else took, figure(large))

    def _lossy(
        self,
        large: ModelRecord,
        small: ModelRecord,
        objectives: Objectives,
        costs: PairCosts,
        left: float,
    ) -> list[Way]:
        best, least = figure(large), figure(small)
        if best is None or least is None or objectives.prefer == "quality":
            return []
        found = list[Way]()
        floor, mixed = self._floor.now(objectives), least + RECOVERED * (best - least)
        if mixed >= (floor if objectives.quality is not None else KEEPS * min(floor, best)):
            error = median((1.0, *self._took[large.id, small.id, SWITCH]))
            share = share_for(left / error, costs)
            time, quickest = (error * gate_time(s, costs) for s in (share, LEAST_SHARE))
            found.append(Way(SWITCH, time, mixed, share, quickest))
        if least >= floor:
            found.append(Way(SMALL, costs.small, least))
        return found
