"""The choice among the ways of a pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.errors import ConfigError, RequestError
from edge_rt.models.pair import Evaluation, choose, read_evaluation

Json = dict[str, Any]


def way(name: str, accuracy: float | None, energy: float | None, **edge: Any) -> Json:
    """A way of the pair; ratios over the large model alone, None where they are not known."""

    def figure(value: float | None) -> Json | None:
        return None if value is None else {"value": value, "low": None, "high": None, "n": 9}

    held = {"n": 9, "accuracy_ratio": figure(accuracy), "energy_j_ratio": figure(energy)}
    model = "tiny" if name == "small" else "big"
    edge = {"mode": f"switch:{name.partition('@')[0]}"} | edge
    return {"name": name, "model": model, "edge": edge, "against_large": held, "n": 9}


SMALL = way("small", 0.5, 0.2, mode="single")
LARGE = way("large", 1.0, 1.0, mode="single")
LOSSLESS = way("speculative", 1.0, 0.8, mode="speculative")


def written(path: Path, **tasks: list[Json]) -> Path:
    about = {"pair": {"large": "big", "small": "tiny"}, "seed": 0}
    document = {
        "name": "switch",
        "about": about,
        "tasks": {name: {"ways": ways} for name, ways in tasks.items()},
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def evaluated(tmp_path: Path) -> Any:
    def make(**tasks: list[Json]) -> Evaluation:
        return read_evaluation(written(tmp_path / "switch.json", **tasks))

    return make


def test_the_fewest_joules_that_keep_the_floor_are_chosen(evaluated: Any) -> None:
    found = evaluated(
        code=[
            SMALL,
            LARGE,
            LOSSLESS,
            way("token@20", 0.96, 0.5, large_share=0.2),
            way("token@30", 0.98, 0.6, large_share=0.3),
            way("token@40", 0.99, 0.7, large_share=0.4),
        ]
    )
    choice = choose(found, 0.97)
    assert choice.way.name == "token@30"
    assert choice.way.edge.large_share == 0.3
    assert (choice.accuracy, choice.energy) == pytest.approx((0.98, 0.6))
    assert choose(found, 0.9).way.name == "token@20"
    assert choose(found, 1.0).way.name == "speculative"


def test_the_small_model_alone_and_chance_are_not_chosen(evaluated: Any) -> None:
    found = evaluated(
        code=[
            way("small", 1.0, 0.2, mode="single"),
            LARGE,
            way("random@20", 1.0, 0.3),
            way("never", 1.0, 0.2),
            way("always", 1.0, 0.9),
        ]
    )
    assert choose(found, 0.97).way.name == "large"


def test_the_floor_holds_for_every_task_and_joules_are_their_mean(evaluated: Any) -> None:
    found = evaluated(
        code=[LARGE, way("ead@20", 0.99, 0.4), way("step@20", 0.98, 0.5)],
        maths=[LARGE, way("ead@20", 0.90, 0.4), way("step@20", 0.97, 0.8)],
    )
    choice = choose(found, 0.97)
    assert choice.way.name == "step@20"
    assert choice.energy == pytest.approx((0.5 * 0.8) ** 0.5)
    assert choice.accuracy == 0.97
    assert choose(found, 0.97, ["code"]).way.name == "ead@20"


def test_of_two_with_the_same_joules_the_better_one_is_chosen(evaluated: Any) -> None:
    found = evaluated(code=[LARGE, way("ead@20", 0.98, 0.5), way("token@20", 0.99, 0.5)])
    assert choose(found, 0.97).way.name == "token@20"


@pytest.mark.parametrize("unknown", [(None, 0.3), (1.0, None), (1.0, 0.0), (1.0, -0.1)])
def test_what_is_not_known_in_every_task_is_not_chosen(
    unknown: tuple[float | None, float | None], evaluated: Any
) -> None:
    found = evaluated(code=[LARGE, way("ead@20", 1.0, 0.3)], maths=[LARGE, way("ead@20", *unknown)])
    assert choose(found, 0.97).way.name == "large"
    found = evaluated(code=[LARGE, way("ead@20", 1.0, 0.3)], maths=[LARGE])
    assert choose(found, 0.97).way.name == "large"


def test_where_nothing_keeps_the_floor_that_is_told(evaluated: Any) -> None:
    with pytest.raises(RequestError, match=r"97% .* on code: lower the floor"):
        choose(evaluated(code=[way("ead@20", 0.5, 0.3)]), 0.97)
    with pytest.raises(RequestError, match="no task 'chess', it has code"):
        choose(evaluated(code=[LARGE]), 0.97, ["chess"])


@given(
    st.lists(st.tuples(st.floats(0.1, 1.2), st.floats(0.1, 1.2)), max_size=8),
    st.floats(0.1, 1.0),
)
def test_no_other_way_that_keeps_the_floor_takes_less(
    ratios: list[tuple[float, float]], floor: float
) -> None:
    ways = [LARGE, *(way(f"ead@{n}", *one) for n, one in enumerate(ratios))]
    found = msgspec.convert(
        {
            "about": {"pair": {"large": "big", "small": "tiny"}},
            "tasks": {"code": {"ways": ways}},
        },
        Evaluation,
    )
    choice = choose(found, floor)
    assert choice.accuracy >= floor
    able = [energy for accuracy, energy in [*ratios, (1.0, 1.0)] if accuracy >= floor]
    assert choice.energy == pytest.approx(min(able))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"about": {"pair": {"large": "a"}}, "tasks": {}}', "\xff"]
)
def test_a_file_that_is_no_evaluation_is_told(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"x\.json: not what `tools/eval switch` writes"):
        read_evaluation(file)
    with pytest.raises(ConfigError, match="none: cannot be read"):
        read_evaluation(tmp_path / "none")
