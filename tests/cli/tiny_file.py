"""The smallest GGUF file that is a language model, and a catalogue that knows it."""

from __future__ import annotations

import hashlib
import struct

_CATALOGUE = """
models:
  - id: tiny
    description: "{description}"
    publisher: Someone
    licence: MIT
    backend: llama.cpp
    files:
      - name: tiny.gguf
        bytes: {size}
        sha256: {sha256}
        sources:
          - {{kind: hub, repository: someone/tiny, file: tiny.gguf}}
"""


def tiny_model(fill: bytes = b"\0", width: int = 8) -> bytes:
    """Its content; another `fill` makes it another model, and a larger `width` a larger one."""
    numbers = {"block_count": 1, "context_length": 256, "embedding_length": width}
    numbers["attention.head_count"] = 2
    entries = [_text("general.architecture") + struct.pack("<I", 8) + _text("llama")]
    entries += [_text(f"llama.{key}") + struct.pack("<II", 4, n) for key, n in numbers.items()]
    entries += [_text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 1) + _text("a")]
    tensor = _text("token_embd.weight") + struct.pack("<IQIQ", 1, width, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + tensor
    return header + b"\0" * (-len(header) % 32) + fill * 4 * width


def tiny_catalogue(content: bytes, description: str = "A test") -> str:
    """A catalogue of the one model "tiny", whose file has that content."""
    sha256 = hashlib.sha256(content).hexdigest()
    return _CATALOGUE.format(description=description, size=len(content), sha256=sha256)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()
