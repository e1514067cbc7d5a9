"""What is asked of the daemon at each scrape of /metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.registry import Collector

_log = logging.getLogger("edge_rt.api")


class Scraped(Collector):
    """Families that are made of a state anew at each scrape."""

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
