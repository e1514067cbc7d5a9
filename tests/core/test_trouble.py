"""The log has each trouble once, until its reason changes, and its end."""

from __future__ import annotations

import logging

import pytest

from edge_rt.core.logs import Trouble


@pytest.fixture
def trouble(caplog: pytest.LogCaptureFixture) -> Trouble:
    caplog.set_level(logging.INFO)
    return Trouble(logging.getLogger("test"), "no tea")


def test_it_is_told_once_until_it_changes_or_ends(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for why in ("no water", "no water", "no leaves", "no leaves"):
        trouble.met(why)
        assert trouble.told == f"no tea: {why}"
    for _ in range(2):
        trouble.over()
        assert trouble.told is None
    trouble.met("no leaves")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "no tea: no water"),
        ("WARNING", "no tea: no leaves"),
        ("INFO", "no longer so: no tea"),
        ("WARNING", "no tea: no leaves"),
    ]


def test_of_what_nobody_thought_of_the_log_has_the_trace(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    trouble.met("no cup", ZeroDivisionError("cups"))
    assert "ZeroDivisionError: cups" in caplog.text
