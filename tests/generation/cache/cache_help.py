"""Answers whose content follows from their number."""

from __future__ import annotations

import hashlib

from edge_rt.core.cached import Kept

NOW = 1_800_000_000.0  # 2027-01-15


def key(number: int) -> bytes:
    """The question of a number."""
    return hashlib.sha256(str(number).encode()).digest()


def content(number: int) -> bytes:
    """Its answer: from a few bytes to several pages."""
    return key(number) * (1 + number * 37 % 400)


def kept(number: int, *, made: float = NOW, model: str = "m", client: str = "uid:1") -> Kept:
    """The answer as it is kept."""
    return Kept(key(number), model, client, made, content(number))
