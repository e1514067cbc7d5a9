"""How an answer was made is told in the same words everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.cli.text import making

TURNS = {"mode": "switch:entropy", "small_tokens": 48, "large_tokens": 16}
DRAFTS = {"mode": "speculative", "small_tokens": 0, "large_tokens": 64}
DRAFTS |= {"accepted_tokens": 40, "rejected_tokens": 12}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, ""),
        ({"mode": None}, ""),
        ({"mode": "single"}, ""),
        (TURNS, "switch:entropy: 25 % by the large model"),
        (DRAFTS, "speculative: 40 of 52 drafted tokens kept"),
        ({"mode": "lookup\x1b"}, "lookup"),
        (TURNS | {"small_tokens": 0, "large_tokens": 0}, "switch:entropy: 0 % by the large model"),
    ],
)
def test_what_is_told_of_an_answer(told: dict[str, Any], words: str) -> None:
    assert making(told) == words
