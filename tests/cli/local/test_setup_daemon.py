"""With a daemon that runs, set-up calibrates and tells it of the cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sites import Site

Make = Callable[..., Site]
CAP = 20.2


@pytest.fixture
def running(daemon: Any) -> Any:
    """A daemon of a Pi 5 that was never calibrated and has no cap."""
    daemon.documents["/edge/v1/calibration"] = (200, {"models": []})
    daemon.documents["/edge/v1/budget"] = (200, {"budget": {"power_w": None}})
    daemon.streams["/edge/v1/calibrate"] = [{"type": "done", "models": [{"model": "tiny"}]}]
    return daemon


def test_the_board_is_calibrated_before_it_is_capped(site: Make, running: Any) -> None:
    here = site("pi5")
    how = {"socket": running.path}
    assert here.setup(calibrate=True, machine=how) == 0
    asked = [(path, body) for path, body in running.asked]
    assert asked == [
        ("/edge/v1/calibrate", {"quick": True}),
        ("/edge/v1/budget", {"power_w": CAP}),
    ]
    running.documents["/edge/v1/calibration"] = (200, {"models": [{"model": "tiny"}]})
    running.documents["/edge/v1/budget"] = (200, {"budget": {"power_w": CAP}})
    assert here.setup(calibrate=True, machine=how) == 0
    assert len(running.asked) == 2


def test_a_board_that_is_hot_is_calibrated_later(
    site: Make, running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    running.streams["/edge/v1/calibrate"] = [{"type": "refused", "reason": "the board is hot"}]
    here = site("pi5")
    assert here.setup(calibrate=True, machine={"socket": running.path}) == 1
    told = capsys.readouterr().err
    assert "the board is hot" in told
    assert "Later: edge-rt calibrate --quick" in told
