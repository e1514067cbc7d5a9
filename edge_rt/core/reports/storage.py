"""Whether what is to outlive the daemon gets to the disk."""

from __future__ import annotations

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily


class StorageReport(msgspec.Struct, frozen=True):
    """The files that the daemon keeps, and whether they can be written."""

    files: list[str]
    """Names of the files."""
    failing: dict[str, str]
    """Files that cannot be written, and why."""
    aside: list[str]
    """Damaged files that were moved aside, under their new names."""
    free_bytes: int | None
    """Free space of the disk with the state directory; null: not known."""


def storage_families(report: StorageReport) -> list[Metric]:
    """The families of the disk as it stands."""
    writable = GaugeMetricFamily(
        "edge_rt_storage_writable", "0: what is to be in the file is not.", labels=["file"]
    )
    for file in report.files:
        writable.add_metric([file], file not in report.failing)
    aside = GaugeMetricFamily(
        "edge_rt_storage_aside_files", "Damaged files that were put aside.", len(report.aside)
    )
    free = GaugeMetricFamily("edge_rt_storage_free_bytes", "Of the state directory's disk.")
    if report.free_bytes is not None:
        free.add_metric([], report.free_bytes)
    return [family for family in (writable, aside, free) if family.samples]
