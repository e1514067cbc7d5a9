"""What is said of a pair goes together, or the field and the reason are told."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.models.pair import MODES, Pair


def pair(**fields: object) -> Pair:
    return msgspec.convert({"large": "big", "small": "tiny", **fields}, Pair)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_may_be_the_usual_one(mode: str) -> None:
    assert pair(mode=mode).mode == mode


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"small": "big"}, "`small`: big is the large one"),
        ({"mode": "switch:luck"}, "there is no mode 'switch:luck'"),
        ({"mode": "speculative", "large_share": 0.2}, "`large_share`: is for the mode switch"),
        ({"threshold": 4.0}, "`threshold`: is for the mode switch, and the mode is single"),
        ({"mode": "switch:entropy", "threshold": 1.0, "large_share": 0.2}, "send one of the two"),
        ({"mode": "switch:entropy", "large_share": 20}, "<= 1"),
    ],
)
def test_faults_are_told(fields: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        pair(**fields)
