"""Models of random weights that rank: a GGUF file of BERT's kind, and an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from graphs import write_graph
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS += ("the", "fox", "runs", "over", "hill", "a", "lazy", "dog", "sleeps", "near", "river")
WIDTH, HEADS, FEED_FORWARD, LAYERS, CONTEXT = 64, 4, 128, 2, 64


def write_rank_gguf(path: Path, template: str | None = None) -> Path:
    """Write a cross-encoder with random weights, whose one number is that of a class."""
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_name("ranker")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _vocabulary(writer)
    if template is not None:
        writer.add_string("tokenizer.chat_template.rerank", template)
        writer.add_array("tokenizer.chat_templates", ["rerank"])
    for name, array in _tensors().items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (len(WORDS) - 5)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([word if word.startswith("[") else f"\u2581{word}" for word in WORDS])
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_unk_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def _tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)

    def some(*shape: int) -> np.ndarray:
        return random.normal(0.0, 0.3, shape).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1.0 + some(WIDTH), f"{name}.bias": some(WIDTH)}

    found = {
        "token_embd.weight": some(len(WORDS), WIDTH),
        "position_embd.weight": some(CONTEXT, WIDTH),
        "token_types.weight": some(2, WIDTH),
        **norm("token_embd_norm"),
        "cls.weight": some(WIDTH, WIDTH),
        "cls.bias": some(WIDTH),
        "cls.output.weight": some(1, WIDTH),
        "cls.output.bias": some(1),
    }
    for block in range(LAYERS):
        begin = f"blk.{block}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found |= {
                f"{begin}{name}.weight": some(WIDTH, WIDTH),
                f"{begin}{name}.bias": some(WIDTH),
            }
        found |= {
            f"{begin}ffn_up.weight": some(FEED_FORWARD, WIDTH),
            f"{begin}ffn_up.bias": some(FEED_FORWARD),
            f"{begin}ffn_down.weight": some(WIDTH, FEED_FORWARD),
            f"{begin}ffn_down.bias": some(WIDTH),
            **norm(f"{begin}attn_output_norm"),
            **norm(f"{begin}layer_output_norm"),
        }
    return found


def write_rank_onnx(folder: Path, width: int = 1) -> Path:
    """Write a cross-encoder with its tokenizer: both texts' tokens count, by random weights.

    Those of the second text count otherwise, by `token_type_ids`, and padding does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    tables = random.normal(size=(2, len(WORDS), width)).astype(np.float32)
    ids = (TensorProto.INT64, ["batch", "length"])
    one = helper.make_node
    write_graph(
        folder / "model.onnx",
        [
            one("Gather", ["first", "input_ids"], ["a"]),
            one("Gather", ["second", "input_ids"], ["b"]),
            one("Cast", ["token_type_ids"], ["type"], to=TensorProto.FLOAT),
            one("Unsqueeze", ["type", "last"], ["types"]),
            one("Mul", ["b", "types"], ["c"]),
            one("Add", ["a", "c"], ["d"]),
            one("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
            one("Unsqueeze", ["seen", "last"], ["mask"]),
            one("Mul", ["d", "mask"], ["e"]),
            one("ReduceSum", ["e", "middle"], ["logits"], keepdims=0),
        ],
        [("input_ids", *ids), ("attention_mask", *ids), ("token_type_ids", *ids)],
        [("logits", TensorProto.FLOAT, ["batch", width])],
        [
            numpy_helper.from_array(tables[0], "first"),
            numpy_helper.from_array(tables[1], "second"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    words = {word: place for place, word in enumerate(WORDS)}
    tokenizer: Any = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(WORDS[:5]))
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "model.onnx"
