"""What /metrics shows of the cache; what is not known has no series."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from edge_rt.api.generation.caching import Caching


def cache_families(caching: Caching) -> list[Metric]:
    """The families of the cache as it stands."""
    hits = CounterMetricFamily(
        "edge_rt_cache_hits", "Requests answered with what was answered before.", labels=["model"]
    )
    saved = CounterMetricFamily(
        "edge_rt_cache_saved_joules",
        "Joules that those answers took when they were made, where known.",
        labels=["model"],
    )
    for model, count in caching.hits.items():
        hits.add_metric([model], count)
    for model, joules in caching.saved_j.items():
        saved.add_metric([model], joules)
    near = CounterMetricFamily(
        "edge_rt_cache_semantic_hits", "Of the hits, those to questions that mean the same."
    )
    if caching.nearby is not None:
        near.add_metric([], caching.nearby.hits)
    misses = CounterMetricFamily(
        "edge_rt_cache_misses", "Requests that were not answered before.", value=caching.misses
    )
    size = GaugeMetricFamily("edge_rt_cache_bytes", "What is kept of answers on the disk.")
    if caching.cache is not None and caching.cache.file_bytes is not None:
        size.add_metric([], caching.cache.file_bytes)
    return [family for family in (hits, near, misses, saved, size) if family.samples]
