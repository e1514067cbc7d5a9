"""A Jetson's counters of over-current and under-voltage."""

from __future__ import annotations

from faults import figures

from edge_rt.board.readers.over_current import OverCurrent
from edge_rt.testing.board import FakeBoard


def test_the_counters_are_read(tree: FakeBoard) -> None:
    tree.hwmon("ina3221", {"oc9_event_cnt": 9})
    counts = {"oc1_event_cnt": 0, "oc2_event_cnt": 15, "oc3_event_cnt": 27_390, "oc3_throt_en": 1}
    tree.hwmon("soctherm_oc", counts)
    assert figures(OverCurrent(tree.sysfs)) == {
        ("oc1_event_cnt", "count"): 0.0,
        ("oc2_event_cnt", "count"): 15.0,
        ("oc3_event_cnt", "count"): 27_390.0,
    }


def test_other_boards_have_none(tree: FakeBoard) -> None:
    reader = OverCurrent(tree.sysfs)
    assert (reader.channels, [one.name for one in reader.skipped]) == ((), ["soctherm_oc"])
