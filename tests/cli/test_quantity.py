"""Durations, sizes and shares are told in units that leave few digits."""

from __future__ import annotations

import pytest

from edge_rt.cli.text import duration, percent, size


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.01234, "0.0123 s"),
        (59.4, "59.4 s"),
        (61, "1 min 1 s"),
        (7260, "2 h 1 min"),
        (90000, "1 d 1 h"),
        (float("inf"), "-"),
        (None, "-"),
    ],
)
def test_durations(value: object, words: str) -> None:
    assert duration(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**4, "5120.00 GiB"), (None, "-"), (True, "-")],
)
def test_sizes(value: object, words: str) -> None:
    assert size(value) == words


def test_shares() -> None:
    assert (percent(0.126), percent(-0.05)) == ("13 %", "-5 %")
    assert percent("half") == "-"
