"""`tools/eval structured` with the real model, our daemon and llama.cpp's own server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from evallib.structured.maskbench import FILE
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


def test_all_figures_are_there(
    data: Path, store: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_RT_CACHE", os.fspath(cache))  # the peer is fetched once
    words = ["--data", data, "--store", store, "--json", data / "out.json"]
    few = ["--quick", "--threads", 1, "--max-tokens", 60]
    done = CliRunner().invoke(structured, [str(word) for word in (*words, *few)])
    assert done.exit_code == 0, done.output
    found = json.loads((data / "out.json").read_text())["about"]
    assert (found["mask_wrong"], found["compiled"], found["valid"]) == (0, 1.0, 1.0)
    assert found["constrained_speed"] > 0
    assert found["vs_llama_server"] > 0
    assert found["peer"].startswith("llama-server of xllamacpp")
