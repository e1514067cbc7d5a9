"""Ways to choose between two models are compared by recorded outcomes."""

from __future__ import annotations

import base64
import csv
import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eval_server import serving
from evallib import EvalError
from evals.main import main
from evals.route import drawn

WIDTH = 8
EACH = 200  # prompts of a task


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    """Outcomes of which the large model's better ones are those of prompts that say "hard"."""
    root, chance = tmp_path / "evals", random.Random(1)
    for file, more in (("gsm8k/gsm8k_responses.csv", 2), ("mmlu/responses/mmlu_x.csv", 0)):
        path = root / file
        path.parent.mkdir(parents=True)
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(
                ["prompt", "small", "large", "small_response", "large_response"][: 3 + more]
            )
            for number in range(EACH):
                hard = number % 2 == 1
                right = not hard, chance.random() < 0.95
                name = f"{'hard' if hard else 'easy'} {file} {number}"
                writer.writerow([name, *right, "a" * 80, "a" * 160][: 3 + more])
    return root


def embed(body: dict[str, Any]) -> dict[str, Any]:
    """The vectors of all hard prompts lie together, and so do those of the others."""
    rows = []
    for text in body["input"]:
        point = [float(text.startswith("hard"))] * 4 + [float(text.startswith("easy"))] * 4
        point[len(text) % WIDTH] += 0.1
        rows.append({"embedding": base64.b64encode(struct.pack(f"<{WIDTH}f", *point)).decode()})
    return {"data": rows}


def call(*words: str | int | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_neighbours_choose_better_than_chance_where_outcomes_follow_the_prompts(
    outcomes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    with serving(tmp_path / "s", embed):
        wanted = ("--outcomes", outcomes, "--requests", 100, "--evidence", 200)
        done = call("route", *wanted, "--socket", tmp_path / "s", "--json", out)
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(out.read_text())["tasks"]["ways"]["ways"]}
    large, small, oracle = rows["large by lookup"], rows["small"], rows["oracle"]
    assert large["route_joules"]["value"] == 1.0
    assert 0.3 < small["accuracy"]["value"] < 0.7
    assert large["accuracy"]["value"] > 0.85
    assert oracle["accuracy"]["value"] >= large["accuracy"]["value"]
    assert small["route_joules"]["value"] < oracle["route_joules"]["value"] < 1.0
    assert rows["large"]["route_joules"]["value"] > 1.0
    near, chance = rows["kNN, 0.5"], rows["random, 0.5"]
    assert near["share"]["value"] == pytest.approx(chance["share"]["value"])
    assert near["route_vs_random"]["low"] > 0
    assert chance["route_vs_random"]["value"] == pytest.approx(0)
    assert rows["rule, high"]["route_quality"]["value"] == 1.0


def test_requests_and_evidence_have_no_prompt_in_common(outcomes: Path) -> None:
    known, tried = drawn(outcomes, 100, 200, 0)
    prompts = {one.prompt for one in (*known, *tried)}
    assert (len(known), len(tried), len(prompts)) == (200, 100, 300)
    assert sum("gsm8k" in one.prompt for one in tried) == 50
    assert drawn(outcomes, 100, 200, 0)[1] == tried != drawn(outcomes, 100, 200, 1)[1]
    worked = next(one for one in tried if "gsm8k" in one.prompt)
    choice = next(one for one in tried if "mmlu" in one.prompt)
    assert worked.lookup_ms < worked.large_ms
    assert choice.lookup_ms == choice.large_ms > choice.small_ms


def test_outcomes_that_are_missing_or_too_few_are_told(outcomes: Path, tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="ask for fewer"):
        drawn(outcomes, 300, 200, 0)
    with pytest.raises(EvalError, match="--outcomes"):
        drawn(tmp_path / "none", 100, 200, 0)
    (outcomes / "gsm8k/gsm8k_responses.csv").write_text("prompt,a,b\nx,1,0,a,a\n")
    with pytest.raises(EvalError, match="not as RouteLLM has it"):
        drawn(outcomes, 100, 200, 0)
