"""Language models of random weights as GGUF: all of the real ones but their sense."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import llama_cpp.llama_cpp as lib
import numpy as np

FTYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q4_K": 14, "Q5_K": 16, "Q6_K": 18}
FLOATS = {"F32": gguf.GGMLQuantizationType.F32, "F16": gguf.GGMLQuantizationType.F16}


@dataclass(frozen=True)
class Tiny:
    """Sizes of a model; rows are whole blocks of every quant type."""

    architecture: str = "llama"
    layers: int = 2
    embedding: int = 256
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    feed_forward: int = 512
    context: int = 256
    tied: bool = True
    rope_base: float = 10_000.0
    template: str | None = None  # of chats
    more: dict[str, Any] = field(default_factory=dict[str, Any])  # keys below the architecture
    tensors: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


def write_tiny(
    path: Path,
    tiny: Tiny,
    vocabulary: Vocabulary,
    kind: str = "F32",
    weights: dict[str, np.ndarray] | None = None,
    table: str | None = None,
    split: int = 0,
) -> Path:
    """Write it, with all matrices of type `kind` and always the same weights, or with those given.

    `table` is the type of the embeddings where `kind` is a quant type and theirs another, `split`
    the most tensors of a file; 0: all are in one. Returns the path, that of the first part.
    """
    floats = path.with_suffix(".f32.gguf") if kind in FTYPES else path
    writer = gguf.GGUFWriter(floats, tiny.architecture, split_max_tensors=split)
    _keys(writer, tiny)
    vocabulary.write(writer)
    random = np.random.default_rng(1)
    weights = weights or dict(_tensors(tiny, len(vocabulary.tokens), random))
    for name, array in weights.items():
        wide = array.ndim == 1 or kind not in FLOATS
        writer.add_tensor(name, array if wide or kind == "F32" else array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if split:
        return min(path.parent.glob(f"{path.stem}-00001-of-*.gguf"))
    if kind in FTYPES:
        _quantise(floats, path, kind, table or kind)
    return path


def dequantised(path: Path) -> dict[str, np.ndarray]:
    """Return all weights of a file in float32, by the reference implementation."""
    return {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in gguf.GGUFReader(path).tensors
    }


def _keys(writer: gguf.GGUFWriter, tiny: Tiny) -> None:
    writer.add_name("tiny")
    writer.add_block_count(tiny.layers)
    writer.add_context_length(tiny.context)
    writer.add_embedding_length(tiny.embedding)
    writer.add_feed_forward_length(tiny.feed_forward)
    writer.add_head_count(tiny.heads)
    writer.add_head_count_kv(tiny.kv_heads)
    writer.add_key_length(tiny.head_dim)
    writer.add_value_length(tiny.head_dim)
    writer.add_rope_dimension_count(tiny.head_dim)
    writer.add_rope_freq_base(tiny.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    if tiny.template is not None:
        writer.add_chat_template(tiny.template)
    for key, value in tiny.more.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add.get(type(value), writer.add_array)(f"{tiny.architecture}.{key}", value)


def _tensors(tiny: Tiny, vocab: int, random: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    def matrix(rows: int, columns: int, gain: float = 1.0) -> np.ndarray:
        return (random.normal(size=(rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)

    def vector(size: int, around: float) -> np.ndarray:
        return (around + 0.2 * random.normal(size=size)).astype(np.float32)

    width, inner = tiny.embedding, tiny.heads * tiny.head_dim
    kv = tiny.kv_heads * tiny.head_dim
    # gemma multiplies its embeddings by the root of their width
    table = matrix(vocab, width, 1.0 if tiny.architecture == "gemma3" else 4.0)
    made = [("token_embd.weight", table), ("output_norm.weight", vector(width, 1))]
    if not tiny.tied:
        made.append(("output.weight", matrix(vocab, width, 3.0)))
    for layer in range(tiny.layers):
        part = {
            "attn_norm.weight": vector(width, 1),
            "attn_q.weight": matrix(inner, width, 2.0),
            "attn_k.weight": matrix(kv, width, 2.0),
            "attn_v.weight": matrix(kv, width),
            "attn_output.weight": matrix(width, inner),
            "ffn_norm.weight": vector(width, 1),
            "ffn_gate.weight": matrix(tiny.feed_forward, width),
            "ffn_up.weight": matrix(tiny.feed_forward, width),
            "ffn_down.weight": matrix(width, tiny.feed_forward),
        }
        if tiny.architecture in ("qwen2", "qwen2vl"):
            sizes = {"q": inner, "k": kv, "v": kv}
            part |= {f"attn_{name}.bias": vector(size, 0) for name, size in sizes.items()}
        if tiny.architecture == "gemma3":
            norms = ("attn_q_norm", "attn_k_norm")
            part |= {f"{name}.weight": vector(tiny.head_dim, 1) for name in norms}
            norms = ("post_attention_norm", "post_ffw_norm")
            part |= {f"{name}.weight": vector(width, 1) for name in norms}
        made += [(f"blk.{layer}.{name}", array) for name, array in part.items()]
    return [*made, *tiny.tensors.items()]


def _quantise(source: Path, target: Path, kind: str, table: str) -> None:
    """Every matrix to the type `kind`, and the embeddings to `table`, by llama.cpp."""
    params = lib.llama_model_quantize_default_params()
    params.ftype = FTYPES[kind]
    params.token_embedding_type = gguf.GGMLQuantizationType[table]
    params.nthread = 1
    params.pure = True
    assert lib.llama_model_quantize(str(source).encode(), str(target).encode(), params) == 0
    source.unlink()


@dataclass(frozen=True)
class Vocabulary:
    """Tokens with their types and scores, and other keys below tokenizer.ggml."""

    kind: str
    tokens: list[str]
    types: list[int]
    scores: list[float]
    keys: dict[str, Any]

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add it to a file."""
        writer.add_tokenizer_model(self.kind)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_scores(self.scores)
        add = {int: writer.add_uint32, bool: writer.add_bool, str: writer.add_string}
        for key, value in self.keys.items():
            add.get(type(value), writer.add_array)(f"tokenizer.ggml.{key}", value)


def byte_level(pre: str, merges: tuple[str, ...] = ("h e", "l l", "Ġ w", "he ll")) -> Vocabulary:
    """Return all bytes, a few merges, control tokens and one of a user's."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = [chr(byte) for byte in plain] + [chr(0x100 + i) for i in range(len(others))]
    tokens = [*letters, *(merge.replace(" ", "") for merge in merges)]
    tokens += ["<|im_start|>", "<|im_end|>", "<tool>"]
    types = [1] * (len(tokens) - 3) + [3, 3, 4]
    end = len(tokens) - 2
    keys = {"pre": pre, "merges": list(merges), "bos_token_id": end - 1, "eos_token_id": end}
    return Vocabulary("gpt2", tokens, types, [0.0] * len(tokens), {**keys, "add_bos_token": False})


def sentence_piece(prefix: bool) -> Vocabulary:
    """Bytes, letters and a few words of a SentencePiece model."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    user = ["<b>", "\n\n", "  "]
    words = ["he", "ll", "▁w", "hell", "hello", "▁wo", "or", "ld", "▁wor", "▁world", "▁▁", "ello"]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyzABCDE0123456789.,!?'é日"]
    tokens = [*special, *bytes_, *user, *words, *letters]
    types = [3, 3, 3, 2, 3, 3] + [6] * 256 + [4] * 3 + [1] * (len(words) + len(letters))
    plain = len(special) + 256 + len(user)
    scores = [0.0] * plain + [-float(i) for i in range(len(tokens) - plain)]
    keys = {"bos_token_id": 2, "eos_token_id": 1, "unknown_token_id": 3, "padding_token_id": 0}
    more = {"add_bos_token": True, "add_space_prefix": prefix, "pre": "default"}
    return Vocabulary("llama", tokens, types, scores, {**keys, **more})
