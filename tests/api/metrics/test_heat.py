"""The chip's temperature and the nearest trip point in /metrics."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_rt.api.families import board_families
from edge_rt.board.snapshot import nothing_yet
from edge_rt.core.reports.board import BoardReport, HeatState


def series(report: BoardReport) -> dict[str, tuple[dict[str, str], float]]:
    """Labels and value of each series, by name."""
    found = (sample for family in board_families(report) for sample in family.samples)
    return {sample.name: (dict(sample.labels), sample.value) for sample in found}


def test_the_hottest_zone_and_the_one_nearest_to_its_trip_point() -> None:
    nothing, near = nothing_yet(Path("/")), HeatState("gpu", 60.0, 70.0)
    found = series(msgspec.structs.replace(nothing, temp_c=80.0, nearest=near))
    assert found["edge_rt_board_temperature_celsius"] == ({}, 80.0)
    assert found["edge_rt_trip_temperature_celsius"] == ({"zone": "gpu"}, 70.0)
    assert series(nothing) == {}
