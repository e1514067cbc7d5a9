"""The identity of what a model's files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def content_sha256(files: Iterable[tuple[str, str]]) -> str:
    """One sha256 in hexadecimal for a model, from the name and the sha256 of each of its files.

    For one file it is the file's own, whatever its name. For several it is taken over a line
    "NAME SHA256" for each, sorted by name.
    """
    pairs = sorted(files)
    if len(pairs) == 1:
        return pairs[0][1]
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in pairs)
    return hashlib.sha256(lines.encode()).hexdigest()
