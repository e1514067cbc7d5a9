"""What a GGUF model keeps of a text, layer by layer, from its header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

_WINDOW_EVERY = {  # layers, of which the last has no window where a file does not say
    "cohere2": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma4": 6,
    "gpt-oss": 2,
    "granite_swa": 2,
    "olmo2": 4,
}
_FULL_EVERY = 4  # layers, of which the last is no recurrent one in these
_DELTA_NETS = ("qwen35", "qwen35moe", "qwen3next")
_RECURRENT = ("mamba", "mamba2")  # in all layers
_BOTH = ("falcon-h1",)  # in all layers, beside attention
_HYBRID = ("granitehybrid", "jamba", "lfm2", "lfm2moe", "plamo2")  # where a layer has no keys
_OWN_OF_GEMMA3N = 20  # layers; later ones use the keys and values of these
_F32 = 4  # bytes


class ContextMemory(NamedTuple):
    """Numbers that a token leaves in keys and values, and of these those that go with a window.

    `window` is in tokens, `state_bytes` are those of the recurrent states of a sequence, whose
    layers are `state_width` wide.
    """

    kv_per_token: int
    window_per_token: int
    window: int
    state_bytes: int
    state_width: int


class _Model:
    def __init__(
        self,
        architecture: str,
        layers: int,
        values: Mapping[str, object],
        integer: Callable[[str], int],
    ) -> None:
        self.architecture, self.layers = architecture, layers
        self._values, self._integer = values, integer

    def number(self, key: str) -> int:
        """Return a size of the header; 0 where it has none."""
        return self._integer(f"{self.architecture}.{key}")

    def pattern(self, key: str, every: int) -> list[bool]:
        """Return whether each layer is of a kind: a list, or all but the last of `every`."""
        given = self._values.get(f"{self.architecture}.{key}")
        if isinstance(given, list) and len(cast(list[object], given)) == self.layers:
            return [bool(one) for one in cast(list[object], given)]
        every = given if isinstance(given, int) and given > 0 else every
        return [(layer + 1) % every != 0 for layer in range(self.layers)]

    def windowed(self) -> list[bool]:
        every = _WINDOW_EVERY.get(self.architecture)
        if every is None or not self.number("attention.sliding_window"):
            return [False] * self.layers
        return self.pattern("attention.sliding_window_pattern", every)

    def recurrent(self, kv_heads: list[int]) -> list[bool]:
        if self.architecture in _DELTA_NETS:
            every = self.number("full_attention_interval") or _FULL_EVERY
            return self.pattern("attention.recurrent_layers", every)
        if self.architecture in _HYBRID:
            return [not heads for heads in kv_heads]
        return [self.architecture in (*_RECURRENT, *_BOTH)] * self.layers

    def state_bytes(self, embedding: int) -> int:
        """Return the bytes of the states of one recurrent layer."""
        if short := self.number("shortconv.l_cache"):
            return _F32 * embedding * (short - 1)
        inner, size = self.number("ssm.inner_size"), self.number("ssm.state_size")
        mixed = inner + 2 * self.number("ssm.group_count") * size
        return _F32 * (max(0, self.number("ssm.conv_kernel") - 1) * mixed + inner * size)


def context_memory(
    architecture: str,
    values: Mapping[str, object],
    integer: Callable[[str], int],
    kv_heads: list[int],
    embedding: int,
    head_dims: int,
) -> ContextMemory:
    """Return what a model of such `values` keeps.

    `integer` gives a checked one of them, 0 where there is none; `head_dims` are those of keys and
    values together. Of architectures that are not known here, as if all layers had attention
    without a window, which is the most that llama.cpp makes of it.
    """
    model = _Model(architecture, len(kv_heads), values, integer)
    trunk = max(0, model.layers - model.number("nextn_predict_layers"))
    shared = model.number("attention.shared_kv_layers")
    if architecture == "gemma3n":
        shared = max(0, model.layers - _OWN_OF_GEMMA3N)
    windowed, recurrent = model.windowed(), model.recurrent(kv_heads)
    slim = model.number("attention.key_length_swa") + model.number("attention.value_length_swa")
    full = within = 0
    for layer, heads in enumerate(kv_heads[: max(0, trunk - shared)]):
        if recurrent[layer] and architecture not in _BOTH:
            continue
        if windowed[layer]:
            within += heads * (slim or head_dims)
        else:
            full += heads * head_dims
    window = model.number("attention.sliding_window") if within else 0
    states = sum(recurrent[:trunk])
    state_bytes = states * model.state_bytes(embedding)
    width = model.number("ssm.inner_size") if states else 0
    return ContextMemory(full + within, within, window, state_bytes, width)
