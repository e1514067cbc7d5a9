"""What is said of a pair goes together, or the field and the reason are told."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.core.decoding import GATES
from edge_rt.models.pair import MODES, Pair, misfit


def pair(**fields: object) -> Pair:
    return msgspec.convert({"large": "big", "small": "tiny", **fields}, Pair)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_may_be_the_usual_one(mode: str) -> None:
    assert pair(mode=mode).mode == mode


def test_nothing_is_usual_at_first() -> None:
    assert (pair().mode, pair().gate, pair(mode="switch:step").gate) == (None, None, "step")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"small": "big"}, "`small`: big is the large one"),
        ({"mode": "switch"}, "`mode`: there is no mode 'switch'"),
        ({"mode": "switch:luck"}, "there is no mode 'switch:luck'"),
        ({"mode": "speculative", "large_share": 0.2}, "`large_share`: is for modes that switch"),
        ({"first": 4}, "`first`: is for modes that switch, and the mode is single"),
        ({"mode": "switch:ead", "threshold": 1.0, "large_share": 0.2}, "send one of the two"),
        ({"mode": "switch:ead", "large_share": 20}, "<= 1"),
    ],
)
def test_faults_are_told(fields: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        pair(**fields)


def test_the_first_tokens_go_with_any_gate() -> None:
    assert all(misfit(f"switch:{gate}", None, None, 8) is None for gate in GATES)
