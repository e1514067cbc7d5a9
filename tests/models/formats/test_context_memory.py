"""What models keep of a text, by family: windows, states, shared and predicting layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family_gguf import write_family

from edge_rt.models.formats.context_memory import context_memory
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


MAMBA = {
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 128,
    "ssm.state_size": 32,
    "ssm.group_count": 2,
}
DELTA = 4 * (3 * 3 * 4 * 16 + 16 * 16 * 4)  # three convolutions, and the state of four heads


@pytest.mark.parametrize(
    ("family", "keys", "kv_heads", "kept", "states"),
    [
        ("nemotron_h", {"feed_forward_length": [0, 0, 0, 96], **MAMBA}, [0, 0, 1, 0], 1, 2 * STATE),
        (
            "nemotron_h_moe",
            {"feed_forward_length": [0, 9, 0, 0], **MAMBA},
            [0, 0, 1, 0],
            1,
            2 * STATE,
        ),
        ("qwen4exp", MAMBA, [1] * 4, 1, 3 * STATE),
        ("minimax-01", {"attention.head_count": 4}, [1] * 8, 1, 7 * 4 * 16 * 16 * 4),
        ("kimi-linear", {"kda.head_dim": 16, "ssm.conv_kernel": 4}, [0, 0, 0, 1], 1, 3 * DELTA),
        ("bailingmoe3", {"kda.head_dim": 16}, [0, 1], 1, DELTA),
        ("rwkv7", {"wkv.head_size": 8}, [0] * 4, 0, 4 * 4 * (2 * 64 + 64 * 8)),
        ("arwkv7", {"wkv.head_size": 8, "token_shift_count": 1}, [1] * 4, 0, 16 * (64 + 64 * 8)),
        ("later", MAMBA, [1] * 4, 4, 4 * STATE),  # at most
        ("later", {}, [1] * 4, 4, 0),
    ],
)
def test_families_of_which_no_file_is_made_here(
    family: str, keys: dict[str, Any], kv_heads: list[int], kept: int, states: int
) -> None:
    values = {
        f"{family}.{key}": value for key, value in ({"attention.head_count": 4} | keys).items()
    }

    def integer(key: str) -> int:
        value = values.get(key, 0)
        assert isinstance(value, int), "llama.cpp takes a list here"
        return value

    found = context_memory(family, values, integer, kv_heads, 64, HEAD)
    assert found.kv_per_token == kept * HEAD
    assert found.state_bytes == states


def test_experts_that_a_token_does_not_use(tmp_path: Path) -> None:
    summary = read_summary(write_family(tmp_path / "model.gguf", "qwen3moe"))
    experts = 4 * 8 * 3 * 64 * 32  # layers, experts, matrices
    assert summary.idle_parameters == experts * 6 // 8
    assert summary.idle_bytes == experts * 6 // 8 * 4
