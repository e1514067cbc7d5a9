"""What /metrics shows of marks."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily

from edge_rt.api.edge.marking import Marking


def marking_families(marking: Marking) -> list[Metric]:
    """The family of marks as it stands."""
    marks = CounterMetricFamily(
        "edge_rt_marks",
        "Marks of answers: good or bad, given by feedback or told by a regeneration, and whether "
        "the router has learnt from them.",
        labels=["mark", "by", "counted"],
    )
    for told, count in marking.counts.items():
        mark = "good" if told.good else "bad"
        marks.add_metric([mark, told.by, str(told.counted).lower()], count)
    return [marks] if marks.samples else []
