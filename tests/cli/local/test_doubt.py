"""edge-rt doubt: from answers to test questions to what doubt says, in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

Cli = Callable[..., Result]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    def line(item: int) -> dict[str, Any]:
        doubt = {"tokens": 8, "entropy": item / 20, "margin": 1.0 - item / 40}
        key = ["arc", str(item), "tiny", "{}", "fp", "abc"]
        return {"key": key, "failed": None, "correct": item < 20, "doubt": doubt}

    file = tmp_path / "run.jsonl"
    file.write_text("".join(json.dumps(line(item)) + "\n" for item in range(40)))
    return file


@pytest.fixture
def store(cli: Cli, smollm2: Path, tmp_path: Path) -> str:
    place = str(tmp_path / "store")
    assert cli("models", "add", str(smollm2), "--id", "tiny", "--store", place).exit_code == 0
    return place


def test_what_was_found_is_told_and_kept(cli: Cli, store: str, answers: Path) -> None:
    words = ["doubt", "tiny", "--from", str(answers), "--store", store]
    tried = cli(*words, "--dry-run")
    assert tried.exit_code == 0, tried.output
    told = tried.stdout.splitlines()
    assert told[0] == "tiny, answers: arc 40"
    assert [line.rpartition(": ")[2] for line in told[1:]] == ["22 % wrong", "78 % wrong"]
    path = Path(store, "doubts.yaml")
    assert not path.exists()
    assert cli(*words).stdout.splitlines()[-1] == f"written to {path}"
    (found,) = yaml.safe_load(path.read_text())["doubts"]
    assert (found["model"], found["answers"]) == ("tiny", 40)
    assert found["source"] == "tools/eval run, answers: arc 40"


def test_what_is_missing_is_told(cli: Cli, store: str, answers: Path, tmp_path: Path) -> None:
    result = cli("doubt", "nobody", "--from", str(answers), "--store", store)
    assert (result.exit_code, "nobody" in result.stderr) == (4, True)
    few = tmp_path / "few.jsonl"
    few.write_text("".join(answers.read_text().splitlines(keepends=True)[:10]))
    result = cli("doubt", "tiny", "--from", str(few), "--store", store)
    assert (result.exit_code, "tools/eval run" in result.stderr) == (1, True)
