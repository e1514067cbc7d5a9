"""What models keep of a text, by family: windows, states, shared and predicting layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family_gguf import write_family

from edge_rt.models.formats.summary import read_summary

STATE = 4 * (3 * (128 + 2 * 2 * 32) + 128 * 32)  # bytes of a layer: convolution and state
HEAD = 2 * 32  # numbers of a head's key and value


@pytest.mark.parametrize(
    ("family", "keys", "whole", "windowed", "states"),
    [
        ("qwen3moe", {}, 4 * HEAD, 0, 0),
        ("qwen35", {}, HEAD, 0, 3 * STATE),
        ("qwen35", {"block_count": 8, "full_attention_interval": 2}, 4 * HEAD, 0, 4 * STATE),
        ("qwen3next", {}, HEAD, 0, 3 * STATE),
        ("lfm2", {}, HEAD, 0, 3 * 4 * 64 * 2),
        ("granitehybrid", {}, HEAD, 0, 3 * STATE),
        ("mamba2", {}, 0, 0, 4 * STATE),
        ("gemma3", {}, HEAD, 5 * HEAD, 0),
        ("gemma3", {"attention__sliding_window_pattern": 2}, 3 * HEAD, 3 * HEAD, 0),
        ("gemma4", {}, 2 * HEAD, 3 * HEAD, 0),  # the other two layers share these
        ("gpt-oss", {}, 2 * HEAD, 2 * HEAD, 0),
    ],
)
def test_each_family(
    tmp_path: Path, family: str, keys: dict[str, Any], whole: int, windowed: int, states: int
) -> None:
    summary = read_summary(write_family(tmp_path / "model.gguf", family, **keys))
    assert summary.kv_per_token == whole + windowed
    assert summary.window_per_token == windowed
    assert summary.window == (64 if windowed else 0)
    assert summary.state_bytes == states


def test_experts_that_a_token_does_not_use(tmp_path: Path) -> None:
    summary = read_summary(write_family(tmp_path / "model.gguf", "qwen3moe"))
    experts = 4 * 8 * 3 * 64 * 32  # layers, experts, matrices
    assert summary.idle_parameters == experts * 6 // 8
    assert summary.idle_bytes == experts * 6 // 8 * 4
