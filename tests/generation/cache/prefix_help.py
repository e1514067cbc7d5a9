"""Beginnings of texts whose states follow from their number."""

from __future__ import annotations

import hashlib
from array import array

from cache_help import NOW

from edge_rt.engine.kv.prefix_files import PrefixHeader

KEY = b"k" * 32


def ids(number: int, length: int = 40) -> list[int]:
    """The tokens of a number."""
    return [number, *range(1, length)]


def state(number: int, blocks: int | None = None) -> bytes:
    """Return what a model made of them: from a page to a megabyte."""
    size = 1 + number * 997 % 250 if blocks is None else blocks
    return hashlib.sha256(str(number).encode()).digest() * 128 * size


def head(
    number: int,
    *,
    tokens: list[int] | None = None,
    made: float = NOW,
    model: str = "m",
    client: str = "uid:1",
    key: bytes = KEY,
    shared: bool = True,
) -> PrefixHeader:
    """The head of its file."""
    said = array("i", ids(number) if tokens is None else tokens).tobytes()
    return PrefixHeader(key, model, client, said, made, 0.01, shared)
