"""edge-rt tune: from an evaluation to the pair in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from edge_rt.models.pair import KeptAccuracy, Pair
from edge_rt.models.pairs import ModelPairs

Cli = Callable[..., Result]


def way(name: str, accuracy: float, energy: float, **edge: Any) -> dict[str, Any]:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 82}

    held = {"n": 82, "accuracy_ratio": figure(accuracy), "energy_j_ratio": figure(energy)}
    return {"name": name, "model": "big", "edge": edge, "against_large": held}


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    ways = [
        way("large", 1.0, 1.0, mode="single"),
        way("speculative", 1.0, 0.8, mode="speculative", partner="tiny"),
        way("token@20", 0.98, 0.6, mode="switch:token", partner="tiny", large_share=0.2, first=4),
        way("token@10", 0.9, 0.5, mode="switch:token", partner="tiny", large_share=0.1),
    ]
    document = {
        "name": "switch",
        "commit": "abc",
        "about": {"pair": {"large": "big", "small": "tiny"}},
        "tasks": {"humaneval": {"ways": ways}},
    }
    file = tmp_path / "switch.json"
    file.write_text(json.dumps(document))
    return file


def test_the_choice_is_told_with_its_interval_and_written(
    cli: Cli, evaluation: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    done = cli("tune", "big", "--from", str(evaluation), "--store", str(store))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "big with tiny: switch:token, 20 % of the tokens by the large model, "
        "the first 4 by the large model"
    )
    assert lines[1] == (
        "humaneval, 82 questions: 98.0 % (93.0 to 103.0) of the large model's accuracy, "
        "60.0 % (55.0 to 65.0) of its joules"
    )
    assert lines[2] == f"written to {store / 'pairs.yaml'}"
    assert ModelPairs(store).of("big") == [
        Pair(
            large="big",
            small="tiny",
            mode="switch:token",
            large_share=0.2,
            first=4,
            kept=KeptAccuracy(
                figures={"humaneval": 0.98},
                source="tools/eval switch, questions: humaneval 82; commit abc",
            ),
        )
    ]


def test_another_floor_replaces_what_was_written(
    cli: Cli, evaluation: Path, tmp_path: Path
) -> None:
    words = ["tune", "big", "--from", str(evaluation), "--store", str(tmp_path)]
    assert cli(*words, "--floor", "0.85").exit_code == 0
    assert cli(*words, "--floor", "1").exit_code == 0
    (pair,) = ModelPairs(tmp_path)
    assert (pair.mode, pair.large_share) == ("speculative", None)


def test_a_dry_run_writes_nothing(cli: Cli, evaluation: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = cli("tune", "big", "--from", str(evaluation), "--store", str(store), "--dry-run")
    assert done.exit_code == 0
    assert "switch:token" in done.stdout
    assert not store.exists()


def test_programs_read_the_choice(cli: Cli, evaluation: Path, tmp_path: Path) -> None:
    words = ["tune", "big", "--from", str(evaluation), "--store", str(tmp_path / "store"), "--json"]
    told = json.loads(cli(*words, "--dry-run").stdout)
    assert (told["large"], told["mode"], told["kept"]["figures"]) == (
        "big",
        "switch:token",
        {"humaneval": 0.98},
    )
    assert told["written"] is None
    written = json.loads(cli(*words).stdout)["written"]
    assert written == str(tmp_path / "store/pairs.yaml")
    assert Path(written).exists()


def test_what_cannot_be_chosen_is_told(cli: Cli, evaluation: Path, tmp_path: Path) -> None:
    done = cli("tune", "other", "--from", str(evaluation))
    assert done.exit_code == 1
    assert "is about big and not about other" in done.stderr
    done = cli("tune", "big", "--from", str(tmp_path / "none"))
    assert done.exit_code == 6
    assert "cannot be read" in done.stderr
    done = cli("tune", "big", "--from", str(evaluation), "--task", "chess")
    assert done.exit_code == 1
    assert "no task 'chess'" in done.stderr
    assert cli("tune", "big", "--from", str(evaluation), "--floor", "0").exit_code == 2
