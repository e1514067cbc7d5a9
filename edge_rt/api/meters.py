"""What /metrics shows of requests.

Models appear as labels only under the id of a card, so clients cannot create series.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from edge_rt.core.routing import SINGLE
from edge_rt.generation.usage import Tally

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Series = Iterable[tuple[Sequence[str], float | None]]
"""Values of the labels, and the figure; None: there is no such series."""

_log = logging.getLogger("edge_rt.api")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)


def gauge(name: str, text: str, series: Series, *labels: str) -> Metric:
    """Return a family of figures that rise and fall."""
    from prometheus_client.core import GaugeMetricFamily  # 2 MB that few boards need

    return _filled(GaugeMetricFamily(f"edge_rt_{name}", text, labels=labels), series)


def counter(name: str, text: str, series: Series, *labels: str) -> Metric:
    """Return a family of figures that only rise."""
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(f"edge_rt_{name}", text, labels=labels), series)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, series: Series) -> Metric:
    for given, value in series:
        if value is not None:
            family.add_metric(given, value)
    return family


class Counts:
    """A counter of requests by labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.labels = labels
        self._name, self._text = name, text
        self._counted: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count `amount` for these values of the labels."""
        self._counted[labels] += amount

    def family(self) -> Metric:
        return counter(self._name, self._text, self._counted.items(), *self.labels)


class Spread:
    """A histogram by model, with these upper bounds."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._seen: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(bounds) + 1))
        self._sums: defaultdict[str, float] = defaultdict(float)

    def observe(self, model: str, value: float) -> None:
        self._seen[model][bisect_left(self._bounds, value)] += 1
        self._sums[model] += value

    def family(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(f"edge_rt_{self._name}", self._text, labels=("model",))
        names = [*map(str, self._bounds), "+Inf"]
        for model, seen in self._seen.items():
            buckets = list(zip(names, map(float, accumulate(seen)), strict=True))
            family.add_metric([model], buckets, self._sums[model])
        return family


class Meters:
    """The API's counters and histograms.

    They count by themselves: the client library of Prometheus takes 2 MB of memory, and is loaded
    at the first scrape.
    """

    def __init__(self) -> None:
        self._states: dict[str, Callable[[], Sequence[Metric]]] = {}
        self._failing: set[str] = set()  # those of these that cannot be shown
        self.requests = Counts(  # the model is "" where it never came to one
            "requests",
            "Requests by outcome; 499: the client left, a broken stream counts as its error.",
            "endpoint",
            "model",
            "status",
        )
        self._tokens = Counts(
            "tokens",
            "Tokens; kind cached is the part of kind prompt that was not computed again, and kind "
            "restored the part of that which came from the disk.",
            "model",
            "kind",
        )
        self.in_flight = 0  # requests that are being served
        self._queue = Spread("queue_seconds", "Waiting for the engine.", _SECONDS)
        self.first_token = Spread(
            "first_token_seconds",
            "From a request's arrival to its first token.",
            _SECONDS,
        )
        self._per_token = Spread("decode_seconds_per_token", "Decoding, per token.", _TOKEN_SECONDS)
        self.refused = Counts(
            "refused_requests",
            "Requests that were told to come back later, by why.",
            "reason",
        )
        self._joules = Counts(
            "energy_joules",
            "Joules that answered requests added to what the board draws anyway, where known.",
            "model",
            "quality",
        )
        self._mode_tokens = Counts(
            "mode_tokens",
            "Tokens of answers in other modes than single, by who wrote or drafted them; kind "
            "catch_up was written by one model and read by the other.",
            "model",
            "mode",
            "kind",
        )
        self._switches = Counts(
            "mode_switches",
            "Changes from one model to the other within answers.",
            "model",
            "mode",
        )
        self._unresolved = Counts(
            "energy_unresolved_requests",
            "Requests that were answered and whose joules are not all known.",
            "model",
        )

    def show(self, what: str, families: Callable[[], Sequence[Metric]]) -> None:
        """Show the families of another state, of `what`, too; they are made at each scrape."""
        self._states[what] = families

    def generated(self, model: str, tally: Tally, mode: str = SINGLE) -> None:
        """Book the tokens, costs and times of one request, finished or not."""
        if tally.made is not None:
            for kind in ("small", "large", "catch_up", "accepted", "rejected"):
                self._mode_tokens.add(model, mode, kind, amount=getattr(tally.made, kind))
            self._switches.add(model, mode, amount=tally.made.switches)
        self._tokens.add(model, "prompt", amount=tally.prompt_tokens)
        self._tokens.add(model, "cached", amount=tally.cached_tokens)
        self._tokens.add(model, "restored", amount=tally.restored_tokens)
        self._tokens.add(model, "completion", amount=tally.completion_tokens)
        for cost in tally.costs.taken:
            if cost.energy_j is not None:
                # A counter raises on less than nothing, and an answer must not fail for that.
                self._joules.add(model, cost.quality, amount=max(0.0, cost.energy_j))
        if any(cost.energy_j is None for cost in tally.costs.taken):
            self._unresolved.add(model)
        if not tally.finished_answers:
            return
        self._queue.observe(model, tally.queue_s)
        if (speed := tally.tokens_per_s) is not None:
            self._per_token.observe(model, 1 / speed)

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        return generate_latest(cast(CollectorRegistry, self))  # of which it takes `collect`

    def collect(self) -> Iterator[Metric]:
        """Yield all families, those of states last."""
        yield from (self.requests.family(), self._tokens.family())
        yield gauge("requests_in_flight", "Requests being served.", [((), self.in_flight)])
        for each in (self._queue, self.first_token, self._per_token, self.refused, self._joules):
            yield each.family()
        for each in (self._mode_tokens, self._switches, self._unresolved):
            yield each.family()
        for what, families in self._states.items():
            try:
                found = families()
            except Exception:  # the other metrics still come
                if what not in self._failing:  # logged once, not at each scrape
                    _log.exception("%s cannot be shown in the metrics", what)
                self._failing.add(what)
                continue
            self._failing.discard(what)
            yield from found
