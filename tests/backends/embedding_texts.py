"""Two hundred texts of one to sixty words, and what their vectors must be."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rt.backends.onnx.session import runtime as onnxruntime

WORDS = """
the a of small quick board fan heat river music engine lemon winter cannot isn't Zürich café
naïve 北京 run runs running unbelievably e-mail 3.14 2027 42 % & (maybe) über ☕ ran, stop. why?
yes! light dark table cat feline kernel linux power watt joule energy cold warm
"""


def texts(count: int = 200) -> list[str]:
    """Return the same ones every time."""
    chance = random.Random(3)
    words = WORDS.split()
    lengths = [chance.choice((1, 2, 3, 5, 8, 8, 15, 30, 60)) for _ in range(count)]
    return [" ".join(chance.choices(words, k=length)) for length in lengths]


def plain_vectors(folder: Path, given: list[str]) -> NDArray[np.float32]:
    """One text after the other through bare libraries, pooled and brought to length 1 here."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    session: Any = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    out = []
    for text in given:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        mean = session.run(None, feed)[0][0].mean(0)
        out.append(mean / np.linalg.norm(mean))
    return np.stack(out)


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Between rows of the same number."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(1) / lengths
