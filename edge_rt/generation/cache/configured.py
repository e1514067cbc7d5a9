"""The caches as they are configured, and what they keep no more."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from edge_rt.config.paths import Paths
from edge_rt.config.schema import Cache, Config
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import SemanticCache

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


_LATEST_BYTES = 256 * 1024  # of questions that were compared last, in memory


def semantic_cache(config: Config, paths: Paths) -> SemanticCache | None:
    """None where nobody compares questions."""
    cache, semantic = config.cache, config.cache.semantic
    if not cache.enabled or semantic.model is None:
        return None
    store = ExactCache(
        paths.state / "semantic.db",
        ttl_s=cache.ttl_s,
        max_bytes=semantic.max_bytes,
        memory_bytes=_LATEST_BYTES,
    )
    return SemanticCache(store, most=semantic.entries, limit=semantic.doubt)
