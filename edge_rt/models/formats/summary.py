"""What the rest of edge_rt wants to know about a model file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from edge_rt.core.errors import ModelFileError
from edge_rt.core.files import Sha256
from edge_rt.models.formats.context_memory import context_memory
from edge_rt.models.formats.gguf import FILE_TYPES, Header, read_header, read_projector

# Far above any real model, and small enough that products of them fit 64 bits.
MAX_LAYERS = 512  # llama.cpp ends its process for more
MAX_EXPERTS = 1024  # and here too
MAX_POOLING = 4  # and here: the last of enum llama_pooling_type
MAX_HEADS = 65_536
MAX_WIDTH = 1 << 24
MAX_CONTEXT = 1 << 40
READ = 1  # raised where a header is read for more, so that stored models are read again
_F16 = 2  # bytes
_SIDE = 1024  # pixels each way, where a projector takes images of any size
_WIDE, _INNER = 8, 2  # vectors of those widths that a projector holds at once for a patch

Kind = Literal["language", "embedding", "tensors"]
"""What a model does: write text, or place texts in a space. 'tensors' are adapters, and models that
an earlier version took in."""

Pooling = Literal["mean", "cls", "last"]
"""How the vectors of a text's tokens become one: their mean, the first one, the last one."""

_RANK = 4  # of enum llama_pooling_type: one number says how well two texts fit
_POOLING: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last"}  # enum llama_pooling_type
_ENCODERS = {  # architectures of llama.cpp that write no text
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5encoder",
}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A model's make and needs, from its header or card. Sizes in tokens, bytes or numbers.

    Only models of kind "language" have layers, heads and a vocabulary for sure, and those of kind
    "tensors" have no context and no embedding either: such sizes are 0. Every field has a default,
    for the store keeps summaries, and one of another version of edge_rt may lack any.
    """

    kind: Kind = "language"
    architecture: str = "unknown"
    name: str | None = None
    organisation: str | None = None
    licence: str | None = None
    quantisation: str = "unknown"
    parameters: int = 0
    file_bytes: int = 0
    idle_parameters: int = 0  # of these, those of experts that a token does not use
    idle_bytes: int = 0
    context_train: int = 0  # tokens it was trained on at once
    layers: int = 0
    embedding: int = 0
    heads: int = 0
    kv_heads: int = 0  # of the layer that has most
    head_dim_k: int = 0
    head_dim_v: int = 0
    kv_per_token: int = 0  # numbers that one token leaves in the KV, all layers together
    window_per_token: int = 0  # of these, those that go once it is `window` tokens behind
    window: int = 0
    state_bytes: int = 0  # of the recurrent states of a sequence
    state_width: int = 0
    vocab: int = 0
    chat_template: str | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    control_tokens: tuple[str, ...] | None = None  # None: an earlier version did not keep them
    longest_token: int | None = None  # most bytes of a token; None: not known
    add_bos: bool | None = None  # nothing reads it, but older programs refuse a store without
    kv_number_bytes: int = _F16  # of one number in the KV, at most
    pooling: Pooling | None = None  # None with kind "embedding": the backend knows
    normalise: bool = False  # whether vectors are to have length 1
    adapter: bool = False  # with kind "tensors": a LoRA adapter for models of that architecture
    ranks: bool = False  # with kind "embedding": it says how well a text fits another
    read: int = 0  # READ of the version of edge_rt that read a header for this
    source_sha256: Sha256 | None = None  # of the model that this one was converted from
    look_bytes: int = 0  # of memory that its projector needs to look at an image

    def kv_bytes(self, cells: int) -> int:
        """Memory for `cells` tokens of KV, in bytes; an upper bound for windowed attention."""
        return cells * self.kv_per_token * self.kv_number_bytes


def read_summary(path: Path, others: Sequence[Path] = ()) -> Summary:
    """Return the summary of the GGUF file at `path`, or of the model in it and further parts.

    Raises ModelFileError if it is no whole model.
    """
    return summarise(read_header(path, others))


def look_bytes(path: Path) -> int:
    """Return the memory that the projector at `path` needs to look at an image, in bytes.

    It is that of the activations of one layer, for each patch of an image of the usual size.
    Raises ModelFileError if it is no projector.
    """
    values = read_projector(path)

    def size(key: str) -> int:
        value = values.get(f"clip.vision.{key}", 0)
        if not isinstance(value, int) or not 0 < value <= MAX_WIDTH:
            raise ModelFileError(f"{path}: 'clip.vision.{key}' is {value!r:.80}, not a size")
        return value

    side = size("image_size") if values.get("clip.vision.image_size") else _SIDE
    patches = math.ceil(side / size("patch_size")) ** 2
    width, inner = size("embedding_length"), size("feed_forward_length")
    return 4 * patches * (_WIDE * width + _INNER * inner)


def summarise(header: Header) -> Summary:
    """Return the summary of what `header` says.

    Raises ModelFileError when that is not a whole model.
    """
    facts = _Facts(header)
    architecture = facts.text("general.architecture")
    if architecture is None:
        raise facts.fault("the key 'general.architecture' is missing")
    if facts.text("general.type") == "adapter":
        return facts.adapter(architecture)
    facts.require_model(architecture)
    layers = facts.integer(f"{architecture}.block_count", 1, MAX_LAYERS)
    embedding = facts.integer(f"{architecture}.embedding_length", 1, MAX_WIDTH)
    idle = facts.idle_experts(architecture, layers)
    facts.require_norms(architecture)
    attention = f"{architecture}.attention"
    heads = facts.by_layer(f"{attention}.head_count", layers, None)
    kv_heads = facts.by_layer(f"{attention}.head_count_kv", layers, heads)
    facts.require_shared_heads(architecture, heads, kv_heads)
    usual = embedding // max(heads) if max(heads) else 0
    key = facts.integer(f"{attention}.key_length", 0, MAX_WIDTH, usual)
    value = facts.integer(f"{attention}.value_length", 0, MAX_WIDTH, usual)
    facts.require_rope(architecture, key)
    memory = context_memory(
        architecture, header.values, facts.size, kv_heads, embedding, key + value
    )
    pooling = facts.integer(f"{architecture}.pooling_type", -1, MAX_POOLING, 0)
    kind = "embedding" if architecture in _ENCODERS or pooling > 0 else "language"
    return Summary(
        kind=kind,
        architecture=architecture,
        name=facts.text("general.name"),
        organisation=facts.text("general.organization"),
        licence=facts.text("general.license"),
        quantisation=_quantisation(header),
        parameters=sum(header.elements.values()),
        file_bytes=header.file_bytes,
        idle_parameters=round(idle * header.experts),
        idle_bytes=round(idle * header.expert_bytes),
        context_train=facts.integer(f"{architecture}.context_length", 1, MAX_CONTEXT),
        layers=layers,
        embedding=embedding,
        heads=max(heads),
        kv_heads=max(kv_heads),
        head_dim_k=key,
        head_dim_v=value,
        kv_per_token=memory.kv_per_token,
        window_per_token=memory.window_per_token,
        window=memory.window,
        state_bytes=memory.state_bytes,
        state_width=memory.state_width,
        vocab=header.vocab,
        chat_template=facts.text("tokenizer.chat_template"),
        bos_token=header.bos_token,
        eos_token=header.eos_token,
        control_tokens=header.control_tokens,
        longest_token=header.longest_token,
        pooling=_POOLING.get(pooling) if kind == "embedding" else None,
        # Files do not say; vectors are made to be compared.
        normalise=kind == "embedding" and pooling != _RANK,
        ranks=pooling == _RANK,
        read=READ,
    )


class _Facts:
    """Typed and bounded access to a header's values."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def fault(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self._header.path}: {what}")

    def adapter(self, architecture: str) -> Summary:
        """Return the summary of an adapter; ModelFileError for one that is not of LoRA."""
        kind, header = self.text("adapter.type"), self._header
        if kind != "lora":
            raise self.fault(f"an adapter of the type {kind!r:.80}; only lora can be used")
        return Summary(
            kind="tensors",
            adapter=True,
            architecture=architecture,
            name=self.text("general.name"),
            organisation=self.text("general.organization"),
            licence=self.text("general.license"),
            quantisation=_quantisation(header),
            parameters=sum(header.elements.values()),
            file_bytes=header.file_bytes,
            control_tokens=(),
            read=READ,
        )

    def require_model(self, architecture: str) -> None:
        kind = self.text("general.type") or "model"
        if kind != "model":
            raise self.fault(f"holds {kind!r:.80}, not a model")
        if not self._header.vocab:
            raise self.fault(f"has no vocabulary; {architecture!r:.80} weights alone cannot be run")

    def idle_experts(self, architecture: str, layers: int) -> float:
        """Return the share of the experts that a token does not use.

        Checks their numbers, with which llama.cpp would otherwise end its process.
        """
        there = self.integer(f"{architecture}.expert_count", 0, MAX_EXPERTS, 0)
        key = f"{architecture}.expert_used_count"
        used = max(self.by_layer(key, layers, [0] * layers))
        if used > there or (there and not used):
            raise self.fault(f"{key!r:.80} is {used} of {there} experts")
        key = f"{architecture}.expert_group_count"
        groups = self.integer(key, 0, max(0, there - 1), 0)
        if groups > 1:
            if there % groups:
                raise self.fault(f"{key!r:.80} is {groups} for {there} experts")
            self.integer(f"{architecture}.expert_group_used_count", 1, groups - 1, 0)
        return 1.0 - used / there if there else 0.0

    # llama.cpp ends its process, some of it not before a prompt is read, where these do not hold.

    def require_norms(self, architecture: str) -> None:
        """Check that the epsilons of norms are finite and not negative."""
        for key, value in self._header.values.items():
            if not (key.startswith(f"{architecture}.") and key.endswith("epsilon")):
                continue
            if not isinstance(value, (int, float)) or not 0.0 <= value < math.inf:
                raise self.fault(f"{key!r:.80} is {value!r:.80}, expected a number from 0 on")

    def require_shared_heads(self, architecture: str, heads: list[int], kv: list[int]) -> None:
        """Check that in each layer every head of keys has the same number of heads of queries."""
        for own, shared in zip(heads, kv, strict=True):
            if shared and own % shared:
                key = f"{architecture}.attention.head_count"
                raise self.fault(f"{key!r:.80} is {own} for {shared} heads of keys and values")

    def require_rope(self, architecture: str, head_dim: int) -> None:
        """Positions turn pairs of numbers within a head."""
        key = f"{architecture}.rope.dimension_count"
        turned = self._header.values.get(key)
        if isinstance(turned, int) and head_dim and (turned % 2 or turned > head_dim):
            raise self.fault(f"{key!r:.80} is {turned}, expected an even number up to {head_dim}")

    def text(self, key: str) -> str | None:
        value = self._header.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.fault(f"{key!r:.80} is {value!r:.80}, not text")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._header.values.get(key, default)
        if value is None:
            raise self.fault(f"the key {key!r:.80} is missing")
        return self._bounded(key, value, low, high)

    def size(self, key: str) -> int:
        return self.integer(key, 0, MAX_WIDTH, 0)

    def by_layer(self, key: str, layers: int, default: list[int] | None) -> list[int]:
        """Return a number by layer; files state one for all layers or a list."""
        value = self._header.values.get(key, default)
        if not isinstance(value, list):
            return [self.integer(key, 0, MAX_HEADS)] * layers
        if len(value) != layers:
            raise self.fault(f"{key!r:.80} has {len(value)} numbers for {layers} layers")
        return [self._bounded(key, item, 0, MAX_HEADS) for item in value]

    def _bounded(self, key: str, value: object, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fault(f"{key!r:.80} is {value!r:.80}, expected {low} to {high}")
        return value


def _quantisation(header: Header) -> str:
    """Return the file's name for its mix of formats, else the format of most of its numbers."""
    named = header.values.get("general.file_type")
    if isinstance(named, int) and named in FILE_TYPES:
        return FILE_TYPES[named]
    return max(header.elements, key=lambda kind: header.elements[kind])
