"""Projectors of random weights as GGUF: eyes for the tiny language models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
from family_gguf import write_family
from tiny_gguf import Tiny, Vocabulary, byte_level, write_tiny

WIDTH, HEADS, LAYERS, FEED_FORWARD = 64, 2, 1, 64
PATCH, SIDE = 8, 32  # pixels: an image becomes SIDE / PATCH patches each way
MERGED = 2  # patches each way that become one token

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MODELS = {  # by projector: the model, and the control tokens around an image
    "idefics3": (Tiny(context=1024), ["\n\n", "<fake_token_around_image>", "<global-img>"]),
    "gemma3": (Tiny(architecture="gemma3"), ["<start_of_image>", "<end_of_image>"]),
    "qwen2vl_merger": (
        Tiny(architecture="qwen2vl", more={"rope.dimension_sections": [8, 12, 12, 0]}),
        ["<|vision_start|>", "<|vision_end|>"],
    ),
}


def write_seeing(folder: Path, kind: str = "idefics3") -> tuple[Path, Path]:
    """Write a model that sees, and its projector; returns their paths."""
    tiny, around = MODELS[kind]
    chats = replace(tiny, template=TEMPLATE)
    model = write_tiny(folder / f"sees-{kind}.gguf", chats, _vocabulary(around))
    return model, write_projector(folder / f"mmproj-{kind}.gguf", kind, tiny.embedding)


def write_seeing_states(folder: Path) -> tuple[Path, Path]:
    """Write a model with recurrent layers whose images take fewer positions; see write_seeing."""
    kind, width = "qwen2vl_merger", 64
    vocabulary = _vocabulary(MODELS[kind][1])
    model = write_family(folder / "sees-qwen35.gguf", "qwen35", vocabulary, embedding_length=width)
    return model, write_projector(folder / "mmproj-qwen35.gguf", kind, width)


def _vocabulary(around: list[str]) -> Vocabulary:
    plain = byte_level("gpt-2")
    count = len(around)
    return replace(
        plain,
        tokens=[*plain.tokens, *around],
        types=[*plain.types, *[gguf.TokenType.CONTROL] * count],
        scores=[*plain.scores, *[0.0] * count],
    )


def write_projector(path: Path, kind: str = "idefics3", embedding: int = 256) -> Path:
    """Write a projector of the type `kind` for models of that width; returns the path."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name("tiny eyes")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    writer.add_string("clip.projector_type", kind)
    for key, value in {
        "image_size": SIDE,
        "patch_size": PATCH,
        "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD,
        "block_count": LAYERS,
        "projection_dim": embedding,
        "attention.head_count": HEADS,
        "projector.scale_factor": MERGED,
        "preproc_image_size": 2 * SIDE,
    }.items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    for name, array in _tensors(kind, embedding).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(kind: str, embedding: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)

    def made(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    found = {"v.patch_embd.weight": made(WIDTH, 3, PATCH, PATCH)}
    if kind == "qwen2vl_merger":
        found["v.patch_embd.weight.1"] = made(WIDTH, 3, PATCH, PATCH)
    else:
        found["v.patch_embd.bias"] = made(WIDTH)
        found["v.position_embd.weight"] = made((SIDE // PATCH) ** 2, WIDTH)
    for layer in range(LAYERS):
        parts = {f"attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
        parts |= {"ffn_up": (FEED_FORWARD, WIDTH), "ffn_down": (WIDTH, FEED_FORWARD)}
        for name, shape in parts.items():
            found[f"v.blk.{layer}.{name}.weight"] = made(*shape)
            found[f"v.blk.{layer}.{name}.bias"] = made(shape[0])
        for name in ("ln1", "ln2"):
            found[f"v.blk.{layer}.{name}.weight"] = 1 + made(WIDTH)
            found[f"v.blk.{layer}.{name}.bias"] = made(WIDTH)
    found["v.post_ln.weight"], found["v.post_ln.bias"] = 1 + made(WIDTH), made(WIDTH)
    wide = WIDTH * MERGED**2
    if kind == "gemma3":
        found["mm.input_projection.weight"] = made(WIDTH, embedding)
        found["mm.soft_emb_norm.weight"] = 1 + made(WIDTH)
    elif kind == "qwen2vl_merger":
        found["mm.0.weight"], found["mm.0.bias"] = made(wide, wide), made(wide)
        found["mm.2.weight"], found["mm.2.bias"] = made(embedding, wide), made(embedding)
    else:
        found["mm.model.fc.weight"] = made(embedding, wide)
    return found
