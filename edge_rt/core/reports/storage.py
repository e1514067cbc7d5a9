"""Whether what is to outlive the daemon gets to the disk."""

from __future__ import annotations

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily


class StorageReport(msgspec.Struct, frozen=True):
    """The files that the daemon keeps, and what is so while one of them cannot be written, and why.

    `aside` are those that were damaged, under their new names. `free_bytes` are those of the disk
    that the state directory is on, None: not known.
    """

    files: list[str]
    failing: dict[str, str]
    aside: list[str]
    free_bytes: int | None


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
