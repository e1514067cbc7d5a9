"""Tiny models of random weights of the families that boards run, each with its kind of memory.

`python tests/tools/family_gguf.py qwen35 FILE` writes one. llama.cpp says which tensors a model of
these keys has.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import llama_cpp.llama_cpp as lib
import numpy as np
from tiny_gguf import Vocabulary, byte_level

WINDOW = 64
CONTEXT = 4096
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)
_COMMON: dict[str, Any] = {
    "context_length": CONTEXT,
    "embedding_length": 64,
    "feed_forward_length": 96,
    "block_count": 4,
    "attention.head_count": 2,
    "attention.head_count_kv": 1,
    "attention.key_length": 32,
    "attention.value_length": 32,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "rope.dimension_count": 32,
    "rope.freq_base": 10_000.0,
}
_STATE = {
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 128,
    "ssm.state_size": 32,
    "ssm.time_step_rank": 4,
    "ssm.group_count": 2,
}
_EXPERTS = {"expert_count": 8, "expert_used_count": 2, "expert_feed_forward_length": 32}
_SHARED_EXPERT = {"expert_shared_feed_forward_length": 32}
_SECTIONS = {"rope.dimension_sections": [6, 5, 5, 0]}
_WINDOW = {"attention.sliding_window": WINDOW}
_ATTENTION_LAST = {"attention.head_count_kv": [0, 0, 0, 1]}
_GEMMA4 = {
    "embedding_length_per_layer_input": 16,
    "attention.shared_kv_layers": 2,
    "attention.key_length_swa": 32,
    "attention.value_length_swa": 32,
    "attention.key_length": 64,
    "attention.value_length": 64,
    "rope.dimension_count": 64,
    "rope.dimension_count_swa": 32,
    "rope.freq_base_swa": 10_000.0,
    "attention.sliding_window_pattern": [True, True, True, False, True, False],
    "block_count": 6,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "qwen35": _STATE | _SECTIONS,
    "qwen35moe": _STATE | _SECTIONS | _EXPERTS | _SHARED_EXPERT,
    "qwen3next": _STATE | _EXPERTS | _SHARED_EXPERT,
    "lfm2": _ATTENTION_LAST | {"shortconv.l_cache": 3},
    "granitehybrid": _ATTENTION_LAST | _STATE,
    "mamba2": _STATE | {"attention.head_count": 0, "attention.head_count_kv": 0},
    "gemma3": _WINDOW | {"block_count": 6},
    "gemma4": _WINDOW | _GEMMA4,
    # The order of cells in a window rounds otherwise, and would choose other experts now and then.
    "gpt-oss": _WINDOW | _EXPERTS | {"expert_used_count": 8},
    "qwen3moe": _EXPERTS,
}


def write_family(
    path: Path, family: str, vocabulary: Vocabulary | None = None, **keys: Any
) -> Path:
    """Write a model of a family with always the same weights; `keys` replace others, by their
    names with `__` for dots. Returns the path.
    """
    vocabulary = vocabulary or byte_level("qwen2")
    values = _COMMON | FAMILIES[family] | {k.replace("__", "."): v for k, v in keys.items()}
    bare = path.with_suffix(".keys")
    _write(bare, family, values, vocabulary, {})
    random = np.random.default_rng(1)
    weights = {name: _weight(name, shape, random) for name, shape in _tensors(bare).items()}
    bare.unlink()
    _write(path, family, values, vocabulary, weights)
    return path


def _write(
    path: Path,
    family: str,
    values: Mapping[str, Any],
    vocabulary: Vocabulary,
    weights: Mapping[str, np.ndarray],
) -> None:
    writer = gguf.GGUFWriter(path, family)
    writer.add_name(f"tiny {family}")
    writer.add_chat_template(_TEMPLATE)
    add = {int: writer.add_uint32, float: writer.add_float32, list: writer.add_array}
    for key, value in values.items():
        add[type(value)](f"{family}.{key}", value)
    vocabulary.write(writer)
    for name, array in weights.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors, by name, that llama.cpp wants beside these keys."""
    found: dict[str, tuple[int, ...]] = {}
    base = _library("libggml-base.so")
    name_of = _typed(base.ggml_get_name, ctypes.c_char_p, ctypes.c_void_p)
    open_file = _typed(base.gguf_init_from_file, ctypes.c_void_p, ctypes.c_char_p, _Init)

    def wanted(tensor: int, _user: object) -> None:
        sizes = (ctypes.c_int64 * 4).from_address(tensor + _SIZES_AT)
        shape = [*reversed([*sizes])]
        while len(shape) > 1 and shape[0] == 1:
            del shape[0]
        name = name_of(tensor).decode()
        if not name.endswith("scale"):  # of formats that nothing here has
            found[name] = tuple(shape)

    lib.llama_log_set(_SILENT, None)
    params = lib.llama_model_default_params()
    params.load_mtp = True
    callback = lib.llama_model_set_tensor_data_t(wanted)
    keys = open_file(str(path).encode(), _Init(True, None))
    model = lib.llama_model_init_from_user(keys, callback, None, params)
    assert model, f"llama.cpp knows no such model as {path}"
    lib.llama_model_free(model)
    return found


_SILENT = lib.llama_log_callback(lambda *_: None)  # must outlive every call
_SIZES_AT = 16  # bytes from a ggml_tensor's begin: behind its type and its buffer


class _Init(ctypes.Structure):
    """struct gguf_init_params."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def _library(name: str) -> Any:
    return ctypes.CDLL(str(Path(lib.__file__).parent / "lib" / name))


def _typed(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    function.restype, function.argtypes = result, arguments
    return function


def _weight(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    noise = random.normal(size=shape).astype(np.float32)
    if "ssm_a" in name:
        return -np.abs(noise)  # states decay
    if "norm" in name or name.endswith(("ssm_d", "scale.weight", "freqs.weight")):
        return (1 + 0.2 * noise) * (0.1 if "k_norm" in name else 1.0)
    if name.endswith(".bias") or len(shape) == 1:
        return 0.2 * noise
    return noise * (4.0 if name == "token_embd.weight" else 1.5) / np.sqrt(np.float32(shape[-1]))


if __name__ == "__main__":
    write_family(Path(sys.argv[2]), sys.argv[1])
