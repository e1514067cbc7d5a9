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
_FULL_EVERY = {  # layers, of which the last is no recurrent one in these
    "minimax-01": 8,
    "qwen35": 4,
    "qwen35moe": 4,
    "qwen3next": 4,
    "qwen4exp": 4,
}
_RECURRENT = ("arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7")  # in all layers
_BOTH = ("falcon-h1",)  # in all layers, beside attention
_HYBRID = {  # where a layer has no keys
    "bailingmoe3",
    "glm5-next",
    "granitehybrid",
    "jamba",
    "kimi-k3",
    "kimi-linear",
    "lfm2",
    "lfm2moe",
    "plamo2",
}
_NEITHER = ("nemotron_h", "nemotron_h_moe")  # where a layer has no keys and feeds nothing forward
_KNOWN = {*_FULL_EVERY, *_RECURRENT, *_BOTH, *_HYBRID, *_NEITHER}
_STATES = ("ssm.", "kda.", "wkv.")  # begins of keys that only models with states have
_OWN_OF_GEMMA3N = 20  # layers; later ones use the keys and values of these
_F32 = 4  # bytes
_SHIFTS = 2  # vectors that RWKV keeps for the next token, where a file does not say
_KDA, _KDA_CONV = 3, 4  # convolutions, of queries, keys and values, and their width, likewise


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
        begins = tuple(f"{architecture}.{begin}" for begin in _STATES)
        new = architecture not in _KNOWN and any(key.startswith(begins) for key in values)
        self.both = architecture in _BOTH or new

    def number(self, key: str) -> int:
        """Return a size of the header; 0 where it has none."""
        return self._integer(f"{self.architecture}.{key}")

    def pattern(self, key: str, every: int) -> list[bool]:
        """Return whether each layer is of a kind: a list, or every layer except each `every`-th."""
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
        if (full := _FULL_EVERY.get(self.architecture)) is not None:
            every = self.number("full_attention_interval") or full
            return self.pattern("attention.recurrent_layers", every)
        if self.architecture in _HYBRID:
            return [not heads for heads in kv_heads]
        if self.architecture in _NEITHER:
            fed = self._by_layer("feed_forward_length")
            return [not (heads or width) for heads, width in zip(kv_heads, fed, strict=True)]
        return [self.both or self.architecture in _RECURRENT] * self.layers

    def state(self, embedding: int) -> tuple[int, int]:
        """Return the bytes of the states of one recurrent layer, and how wide it is."""
        heads, conv = max(self._by_layer("attention.head_count")), self.number("ssm.conv_kernel")
        if head := self.number("wkv.head_size"):
            shifts = self.number("token_shift_count") or _SHIFTS
            return _F32 * embedding * (shifts + head), embedding
        if short := self.number("shortconv.l_cache"):
            return _F32 * embedding * (short - 1), 0
        if head := self.number("kda.head_dim"):
            rows = _KDA * ((conv or _KDA_CONV) - 1)
            return _F32 * heads * head * (rows + head), heads * head
        if self.architecture == "minimax-01":
            head = self.number("attention.key_length") or embedding // max(1, heads)
            return _F32 * heads * head * head, heads * head
        inner, size = self.number("ssm.inner_size"), self.number("ssm.state_size")
        mixed = inner + 2 * self.number("ssm.group_count") * size
        return _F32 * (max(0, conv - 1) * mixed + inner * size), inner

    def _by_layer(self, key: str) -> list[int]:
        given = self._values.get(f"{self.architecture}.{key}")
        if isinstance(given, list) and len(cast(list[object], given)) == self.layers:
            return [one if isinstance(one, int) else 0 for one in cast(list[object], given)]
        return [given if isinstance(given, int) else 0] * self.layers


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
    without a window, and states, too, where the header has sizes of such: the most that llama.cpp
    makes of it.
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
        if recurrent[layer] and not model.both:
            continue
        if windowed[layer]:
            within += heads * (slim or head_dims)
        else:
            full += heads * head_dims
    window = model.number("attention.sliding_window") if within else 0
    states = sum(recurrent[:trunk])
    state_bytes, width = model.state(embedding) if states else (0, 0)
    return ContextMemory(full + within, within, window, states * state_bytes, width)
