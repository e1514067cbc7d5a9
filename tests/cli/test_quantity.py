"""Values are told in the unit that their name ends with."""

from __future__ import annotations

import pytest

from edge_rt.cli.text import readable


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x", None, "-"),
        ("x", True, "yes"),
        ("x_s", 0.01234, "0.0123 s"),
        ("x_s", 59.4, "59.4 s"),
        ("x_s", 61, "1 min 1 s"),
        ("x_s", 7260, "2 h 1 min"),
        ("x_s", 90000, "1 d 1 h"),
        ("x_bytes", 1023, "1023 B"),
        ("x_bytes", 1536, "1.5 KiB"),
        ("x_bytes", 5 * 1024**4, "5120.00 GiB"),
        ("x_s", None, "-"),
        ("x", 0.1 + 0.2, "0.3"),
        ("x", 1234567, "1234567"),
        ("x_w", 3.4596412, "3.46"),
        ("x_j", 50000.0, "50000"),
        ("x_c", -12.5, "-12.5"),
        ("x", float("inf"), "inf"),
        ("x", ["a", 1, None], "a, 1, -"),
        ("x", [], "-"),
    ],
)
def test_words(name: str, value: object, words: str) -> None:
    assert readable(name, value) == words
