"""What /metrics shows of requests.

Models appear as labels only under the id of a card, so clients cannot create series.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from edge_rt.core.requests import Costs
from edge_rt.core.routing import SINGLE
from edge_rt.decoding.params import Made
from edge_rt.generation.usage import Tally

_log = logging.getLogger("edge_rt.api")


class Scraped(Collector):
    """Families that are made from a state at each scrape."""

    def __init__(self, what: str, families: Callable[[], Sequence[Metric]]) -> None:
        """`what` the families show, for the log."""
        self._what, self._families = what, families
        self._failing = False

    def collect(self) -> Iterable[Metric]:
        """All families; none when they cannot be made, so that the other metrics still come."""
        try:
            families = self._families()
        except Exception:
            if not self._failing:  # logged once, not at each scrape
                _log.exception("%s cannot be shown in the metrics", self._what)
            self._failing = True
            return []
        self._failing = False
        return families


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)


class Meters:
    """The API's counters and histograms, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each; the library has one switch for all
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "edge_rt_requests",
            "Requests by outcome; 499: the client left, a broken stream counts as its error.",
            ("endpoint", "model", "status"),
            registry=registry,
        )
        self._tokens = Counter(
            "edge_rt_tokens",
            "Tokens; kind cached is the part of kind prompt that was not computed again, and kind "
            "restored the part of that which came from the disk.",
            ("model", "kind"),
            registry=registry,
        )
        self.in_flight = Gauge(
            "edge_rt_requests_in_flight", "Requests being served.", registry=registry
        )
        self._queue = _histogram("queue_seconds", "Waiting for the engine.", _SECONDS, registry)
        self._first = _histogram(
            "first_token_seconds",
            "From a request's arrival to its first token.",
            _SECONDS,
            registry,
        )
        self._per_token = _histogram(
            "decode_seconds_per_token", "Decoding, per token.", _TOKEN_SECONDS, registry
        )
        self._refused = Counter(
            "edge_rt_refused_requests",
            "Requests that were told to come back later, by why.",
            ("reason",),
            registry=registry,
        )
        self._joules = Counter(
            "edge_rt_energy_joules",
            "Joules that answered requests added to what the board draws anyway, where known.",
            ("model", "quality"),
            registry=registry,
        )
        self._mode_tokens = Counter(
            "edge_rt_mode_tokens",
            "Tokens of answers in other modes than single, by who wrote or drafted them; kind "
            "catch_up was written by one model and read by the other.",
            ("model", "mode", "kind"),
            registry=registry,
        )
        self._switches = Counter(
            "edge_rt_mode_switches",
            "Changes from one model to the other within answers.",
            ("model", "mode"),
            registry=registry,
        )
        self._unresolved = Counter(
            "edge_rt_energy_unresolved_requests",
            "Requests that were answered and whose joules are not all known.",
            ("model",),
            registry=registry,
        )

    def answered(self, endpoint: str, model: str, status: int) -> None:
        """Count one request; `model` is "" when it never came to one."""
        self._requests.labels(endpoint, model, str(status)).inc()

    def refused(self, reason: str) -> None:
        """Count one request that is not served now."""
        self._refused.labels(reason).inc()

    def first_token(self, model: str, seconds: float) -> None:
        """Book the time to one request's first token."""
        self._first.labels(model).observe(seconds)

    def generated(self, model: str, tally: Tally, mode: str = SINGLE) -> None:
        """Book the tokens, costs and times of one request, finished or not."""
        if tally.made is not None:
            self._made(model, mode, tally.made)
        self._tokens.labels(model, "prompt").inc(tally.prompt_tokens)
        self._tokens.labels(model, "cached").inc(tally.cached_tokens)
        self._tokens.labels(model, "restored").inc(tally.restored_tokens)
        self._tokens.labels(model, "completion").inc(tally.completion_tokens)
        self._cost(model, tally.costs)
        if not tally.finished_answers:
            return
        self._queue.labels(model).observe(tally.queue_s)
        if (speed := tally.tokens_per_s) is not None:
            self._per_token.labels(model).observe(1 / speed)

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _made(self, model: str, mode: str, made: Made) -> None:
        for kind in ("small", "large", "catch_up", "accepted", "rejected"):
            self._mode_tokens.labels(model, mode, kind).inc(getattr(made, kind))
        self._switches.labels(model, mode).inc(made.switches)

    def _cost(self, model: str, costs: Costs) -> None:
        for cost in costs.taken:
            if cost.energy_j is not None:
                # A counter raises on less than nothing, and an answer must not fail for that.
                self._joules.labels(model, cost.quality).inc(max(0.0, cost.energy_j))
        if any(cost.energy_j is None for cost in costs.taken):
            self._unresolved.labels(model).inc()


def _histogram(
    name: str, text: str, buckets: tuple[float, ...], registry: CollectorRegistry
) -> Histogram:
    return Histogram(f"edge_rt_{name}", text, ("model",), buckets=buckets, registry=registry)
