"""Where things lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bootstrap import SetupError

CHECKOUT = Path(__file__).resolve().parents[2]


def cache_dir(env: Mapping[str, str] = os.environ) -> Path:
    """The cache for built wheels, weights and the store of `tools/run`.

    $EDGE_RT_CACHE, else edge-rt in $XDG_CACHE_HOME, else ~/.cache/edge-rt; made when missing.
    Raises SetupError when it cannot be made.
    """
    if named := env.get("EDGE_RT_CACHE"):
        path = Path(named).absolute()
    else:
        base = env.get("XDG_CACHE_HOME")
        path = (Path(base) if base else Path.home() / ".cache") / "edge-rt"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"No cache directory: {error}. Set EDGE_RT_CACHE to another.") from error
    return path
