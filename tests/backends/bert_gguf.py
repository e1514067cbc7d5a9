"""The embedding model of the tests as a GGUF file: the same weights for another library.

Its graph is BERT's, with int8 weights and their scales in the initializers: linear layers as
(inputs, outputs), in the order of LINEAR for each block.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

HEADS, WIDTH, CONTEXT = 12, 384, 512
LINEAR = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")
VECTORS = {  # of a block, by their names in the graph
    "attention.self.query.bias": "attn_q.bias",
    "attention.self.key.bias": "attn_k.bias",
    "attention.self.value.bias": "attn_v.bias",
    "attention.output.dense.bias": "attn_output.bias",
    "attention.output.LayerNorm.weight": "attn_output_norm.weight",
    "attention.output.LayerNorm.bias": "attn_output_norm.bias",
    "intermediate.dense.bias": "ffn_up.bias",
    "output.dense.bias": "ffn_down.bias",
    "output.LayerNorm.weight": "layer_output_norm.weight",
    "output.LayerNorm.bias": "layer_output_norm.bias",
}


def write_bert(folder: Path, path: Path) -> Path:
    """Write the model in `folder` to the GGUF file `path`."""
    graph = onnx.load(str(folder / "model.onnx")).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    tensors = _tensors(held)
    blocks = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blk."))
    writer = gguf.GGUFWriter(str(path), "bert")
    _describe(writer, blocks, len(tensors["blk.0.ffn_up.bias"]))
    _vocabulary(writer, json.loads((folder / "tokenizer.json").read_text()))
    for name, value in tensors.items():
        matrix = value.ndim == 2 and "types" not in name and "position" not in name
        writer.add_tensor(name, value.astype(np.float16 if matrix else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(held: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    begin = "inner.embeddings."
    tensors = {
        "token_embd.weight": _whole(held, f"{begin}word_embeddings.weight"),
        "position_embd.weight": _whole(held, f"{begin}position_embeddings.weight"),
        "token_types.weight": held[f"{begin}token_type_embeddings.weight"],
        "token_embd_norm.weight": held[f"{begin}LayerNorm.weight"],
        "token_embd_norm.bias": held[f"{begin}LayerNorm.bias"],
    }
    linear = [name[:-2] for name in held if name.startswith("val_") and name.endswith("_q")]
    for place, name in enumerate(linear):
        block, which = divmod(place, len(LINEAR))
        tensors[f"blk.{block}.{LINEAR[which]}.weight"] = _whole(held, name).T.copy()
    for block in range(len(linear) // len(LINEAR)):
        for theirs, ours in VECTORS.items():
            tensors[f"blk.{block}.{ours}"] = held[f"inner.encoder.layer.{block}.{theirs}"]
    return tensors


def _whole(held: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    return held[f"{name}_q"].astype(np.float32) * held[f"{name}_scale"]


def _describe(writer: gguf.GGUFWriter, blocks: int, feed_forward: int) -> None:
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(feed_forward)
    writer.add_block_count(blocks)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    texts = sorted(ids, key=ids.__getitem__)
    special = {each["content"] for each in tokenizer["added_tokens"] if each["special"]}
    kinds = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in texts]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_spelt(text, text in special) for text in texts])
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    for name, add in (
        ("[CLS]", writer.add_bos_token_id),
        ("[SEP]", writer.add_sep_token_id),
        ("[PAD]", writer.add_pad_token_id),
        ("[UNK]", writer.add_unk_token_id),
        ("[MASK]", writer.add_mask_token_id),
    ):
        add(ids[name])


def _spelt(text: str, special: bool) -> str:
    """As llama.cpp has it: not the pieces inside of words are marked, but those that begin one."""
    if special:
        return text
    return text[2:] if text.startswith("##") else f"\u2581{text}"
