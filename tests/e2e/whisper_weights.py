"""Whisper's weights from CTranslate2's file to ggml's, which whisper.cpp reads.

The registry of Python packages holds tiny.en in the former alone; the numbers are the same.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]
_TYPES = {0: np.float32, 4: np.float16}
_FFT, _MELS, _RATE = 400, 80, 16000
_CONTROL = 50256  # the first token that whisper.cpp adds by itself
_PLAIN = ("bias", "positional_embedding", "ln.weight", "ln_post.weight")  # numbers of 32 bits


def convert(folder: Path, path: Path) -> None:
    """Write the English model of `folder` to `path`."""
    tensors = dict(_renamed(_read(folder / "model.bin")))
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    width = tensors["decoder.positional_embedding"].shape[1]
    layers = sum(name.endswith("mlp.0.bias") for name in tensors) // 2
    contexts = [len(tensors[f"{one}.positional_embedding"]) for one in ("encoder", "decoder")]
    vocab = len(tensors["decoder.token_embedding.weight"])
    heads = width // 64
    with path.open("wb") as file:
        sizes = [width, heads, layers]
        _ints(file, 0x67676D6C, vocab, contexts[0], *sizes, contexts[1], *sizes, _MELS, 1)
        _ints(file, _MELS, _FFT // 2 + 1)
        file.write(_mel_filters().tobytes())
        _ints(file, _CONTROL)
        unicode_bytes = _bytes_of_letters()
        for word in sorted(words, key=words.__getitem__)[:_CONTROL]:
            content = bytes(unicode_bytes[letter] for letter in word)
            _ints(file, len(content))
            file.write(content)
        for name, tensor in tensors.items():
            _write(file, name, tensor)


def _write(file: BinaryIO, name: str, tensor: NDArray[np.float32]) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        tensor = tensor.reshape(-1, 1)
    plain = tensor.ndim < 2 or name.endswith(_PLAIN)
    _ints(file, tensor.ndim, len(name), 0 if plain else 1)
    _ints(file, *reversed(tensor.shape))
    file.write(name.encode())
    file.write(tensor.astype(np.float32 if plain else np.float16).tobytes())


def _ints(file: BinaryIO, *values: int) -> None:
    file.write(struct.pack(f"<{len(values)}i", *values))


def _read(path: Path) -> Tensors:
    """Return the tensors of CTranslate2's file, version 6."""
    with path.open("rb") as file:

        def number(kind: str) -> int:
            return struct.unpack(kind, file.read(struct.calcsize(kind)))[0]

        def text() -> str:
            return file.read(number("<H"))[:-1].decode()

        assert number("<I") == 6, "another version of the format"
        text(), number("<I")
        found: Tensors = {}
        for _ in range(number("<I")):
            name = text()
            shape = [number("<I") for _ in range(number("<B"))]
            kind = _TYPES.get(number("<B"))
            content = file.read(number("<I"))
            if kind is not None:
                found[name] = np.frombuffer(content, kind).reshape(shape).astype(np.float32)
        return found


def _renamed(tensors: Tensors) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the tensors under OpenAI's names, those of queries, keys and values apart."""
    layers = sum(name.endswith("ffn/linear_0/weight") for name in tensors) // 2
    for side in ("encoder", "decoder"):
        yield f"{side}.positional_embedding", tensors[f"{side}/position_encodings/encodings"]
        after = "ln_post" if side == "encoder" else "ln"
        yield from _pair(tensors, f"{side}/layer_norm", f"{side}.{after}")
        for layer in range(layers):
            here, there = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            yield from _attention(tensors, f"{here}/self_attention", f"{there}.attn")
            if side == "decoder":
                yield from _attention(tensors, f"{here}/attention", f"{there}.cross_attn")
            yield from _pair(tensors, f"{here}/ffn/layer_norm", f"{there}.mlp_ln")
            yield from _pair(tensors, f"{here}/ffn/linear_0", f"{there}.mlp.0")
            yield from _pair(tensors, f"{here}/ffn/linear_1", f"{there}.mlp.2")
    for conv in ("conv1", "conv2"):
        yield from _pair(tensors, f"encoder/{conv}", f"encoder.{conv}")
    yield "decoder.token_embedding.weight", tensors["decoder/embeddings/weight"]


def _pair(tensors: Tensors, here: str, there: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    norm = f"{here}/gamma" in tensors
    yield f"{there}.weight", tensors[f"{here}/{'gamma' if norm else 'weight'}"]
    yield f"{there}.bias", tensors[f"{here}/{'beta' if norm else 'bias'}"]


def _attention(
    tensors: Tensors, here: str, there: str
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    fused = [tensors[f"{here}/linear_{n}/weight"] for n in range(3 if "/attention" in here else 2)]
    biases = [tensors[f"{here}/linear_{n}/bias"] for n in range(len(fused))]
    weight, bias = np.concatenate(fused[:-1]), np.concatenate(biases[:-1])
    for name, rows, numbers in zip(
        ("query", "key", "value"), np.split(weight, 3), np.split(bias, 3), strict=True
    ):
        yield f"{there}.{name}.weight", rows
        if name != "key":  # which has none
            yield f"{there}.{name}.bias", numbers
    yield f"{there}.out.weight", fused[-1]
    yield f"{there}.out.bias", biases[-1]
    yield from _pair(tensors, f"{here}/layer_norm", f"{there}_ln")


def _mel_filters() -> NDArray[np.float32]:
    """Return Slaney's triangles, as librosa makes them."""
    step, knee = 200.0 / 3.0, 1000.0
    log_step = np.log(6.4) / 27.0
    top = knee / step + np.log(_RATE / 2 / knee) / log_step
    mels = np.linspace(0.0, top, _MELS + 2)
    hertz = np.where(
        mels < knee / step, mels * step, knee * np.exp(log_step * (mels - knee / step))
    )
    slopes = hertz[:, None] - np.linspace(0.0, _RATE / 2, _FFT // 2 + 1)
    widths = np.diff(hertz)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights *= (2.0 / (hertz[2:] - hertz[:-2]))[:, None]
    return weights.astype(np.float32)


def _bytes_of_letters() -> dict[str, int]:
    """Return the byte that each letter of GPT-2's vocabulary stands for."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {
        chr(256 + place): byte for place, byte in enumerate(hidden)
    }
