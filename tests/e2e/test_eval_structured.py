"""`tools/eval structured` with the tokens of a real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from evallib.maskbench import FILE
from evals.structured import structured

SCHEMA = {
    "type": "object",
    "properties": {"sky": {"enum": ["rain", "sun"]}, "days": {"enum": [1, 2, 3]}},
    "required": ["sky", "days"],
    "additionalProperties": False,
}
TESTS = [
    {"data": {"sky": "sun", "days": 2}, "valid": True},
    {"data": {"sky": "sun", "days": 4}, "valid": False},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / FILE).parent.mkdir()
    rows = [{"id": f"case {n}", "schema": SCHEMA, "tests": TESTS} for n in range(2)]
    (tmp_path / FILE).write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_all_figures_are_there(data: Path, store: Path) -> None:
    words = ["--data", data, "--store", store, "--json", data / "out.json", "--quick"]
    done = CliRunner().invoke(structured, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    found = json.loads((data / "out.json").read_text())
    assert (found["mask_wrong"], found["compiled"]) == (0, 1.0)
