"""The semantic cache, as it is configured."""

from __future__ import annotations

from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import SemanticCache

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
