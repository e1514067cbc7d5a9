"""A place in the configuration."""

from __future__ import annotations

Key = tuple[str | int, ...]
"""Section, key and, in a list, the index: ("models", "preload", 1)."""


def dotted(key: Key) -> str:
    """`key` as people write it: models.preload[1]."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")
