"""What an earlier configuration kept of answers and prompts, and this one keeps no more."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from edge_rt.config.schema import Cache

_ENDS = "", "-wal", "-shm", ".corrupt-*"

log = logging.getLogger(__name__)


def forget_unkept(cache: Cache, folder: Path) -> None:
    """Delete it from `folder`, with what was put aside of it; the log says what cannot be."""
    kept = {
        "cache.db": cache.enabled,
        "semantic.db": cache.enabled and cache.semantic.model is not None,
        "prefixes": cache.enabled and cache.prefix_bytes > 0,
    }
    for name in [name for name, here in kept.items() if not here]:
        found = [path for end in _ENDS for path in folder.glob(name + end)]
        for path in found:
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError as error:
                log.warning("%s is kept no more, but cannot be deleted: %s", path, error)
            else:
                log.info("%s is kept no more: deleted", path)
