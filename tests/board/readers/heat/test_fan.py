"""Fans of one device or two."""

from __future__ import annotations

import pytest
from faults import figures
from trees import orin_nano, pi5

from edge_rt.board.readers.heat import FanReader
from edge_rt.testing.board import FakeBoard


def test_fans_over_one_or_two_devices(
    tree: FakeBoard, tmp_path_factory: pytest.TempPathFactory
) -> None:
    orin_nano(tree)
    assert figures(FanReader(tree.sysfs)) == {
        ("pwm_tach", "rpm"): 2310.0,
        ("pwmfan", "fraction"): pytest.approx(0.4),
    }
    pi5(other := FakeBoard(tmp_path_factory.mktemp("pi") / "board"))
    assert figures(FanReader(other.sysfs)) == {
        ("pwmfan", "rpm"): 3120.0,
        ("pwmfan", "fraction"): pytest.approx(75 / 255),
    }
