"""What the benchmark of many clients takes for harm."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from benchlib.crowd import Seen
from benchlib.daemon import Ours
from benchmarks.soak import Look, Soak, growth

MB = 2**20


def soak(**changes) -> Soak:
    """One in which nothing went wrong, but for the changes."""
    looks = [Look((60 * MB, 300 * MB), (40, 20)) for _ in range(10)]
    fields = {
        "looks": looks,
        "before": looks[0],
        "after": looks[-1],
        "seen": Seen(Counter({200: 50, 429: 3})),
    }
    side = Ours(Path("python"), Path("store"), Path("here"))
    return Soak(side, 30, **{**fields, **changes})


def test_what_is_well() -> None:
    found = soak()
    assert found.faults(0.05) == []
    values = found.report().values
    assert (values["polite_200"], values["polite_429"], values["polite_faults"]) == (50, 3, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seen": Seen(Counter({200: 1}), Counter({"a stream without an end": 2}))}, "2 times"),
        ({"seen": Seen(Counter({429: 9}))}, "nobody got an answer"),
        ({"after": Look((60 * MB, 300 * MB), (44, 20))}, "front had 40 descriptors"),
        ({"after": Look((60 * MB, 300 * MB), (40, 24))}, "engine had 20 descriptors"),
        ({"restarts": 1}, "started 1 times anew"),
        ({"log": "ERROR edge_rt.api: a request failed"}, "a request failed"),
        (
            {"looks": [Look(((60 + i) * MB, 300 * MB), (40, 20)) for i in range(10)]},
            "front_rss grew by",
        ),
    ],
)
def test_what_is_not(changes, said) -> None:
    (fault,) = soak(**changes).faults(0.05)
    assert said in fault


def test_growth_is_of_medians_late_and_early() -> None:
    assert growth([9.0, 9.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0, 2.0, 2.0]) == 1.0
    assert growth([1.0] * 4) == 0.0
