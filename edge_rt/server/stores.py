"""What the daemon keeps on the disk, by its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_rt.config.paths import Paths, of_board
from edge_rt.config.schema import Config
from edge_rt.energy.ledger import Book
from edge_rt.engine.protocol import KeepPrefixes
from edge_rt.generation.cache.exact import ExactCache

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import SemanticCache

_LEARNT_S = 30 * 86_400.0  # for which comparisons of answers are kept
_LATEST_BYTES = 256 * 1024  # of questions that were compared last, in memory


def book(config: Config, paths: Paths, simulated: str | None) -> Book:
    """Return the ledger, a file of its own for a simulated board."""
    ledger = config.ledger
    path = Path(ledger.path) if ledger.path else paths.state / "ledger.db"
    path = of_board(path.parent, simulated) / path.name
    return Book(path, days=ledger.days, max_bytes=ledger.max_bytes)


def answer_cache(config: Config, paths: Paths) -> ExactCache | None:
    """Return the cache of answers; None where the configuration has none."""
    cache = config.cache
    if not cache.enabled:
        return None
    return ExactCache(
        paths.state / "cache.db",
        ttl_s=cache.ttl_s,
        max_bytes=cache.max_bytes,
        memory_bytes=cache.memory_bytes,
    )


def semantic_cache(config: Config, paths: Paths) -> SemanticCache | None:
    """Return the cache by meaning; None where the configuration has none."""
    cache, semantic = config.cache, config.cache.semantic
    if not cache.enabled or semantic.model is None:
        return None
    from edge_rt.generation.cache.semantic import SemanticCache

    store = ExactCache(
        paths.state / "semantic.db",
        ttl_s=max(cache.ttl_s, _LEARNT_S),
        max_bytes=semantic.max_bytes,
        memory_bytes=_LATEST_BYTES,
    )
    return SemanticCache(store, most=semantic.entries, wrong=semantic.wrong)


def kept_prefixes(config: Config, paths: Paths) -> KeepPrefixes | None:
    """Return where the engine keeps beginnings of prompts; None: nowhere."""
    cache = config.cache
    if not cache.enabled or not cache.prefix_bytes:
        return None
    bounds = cache.prefix_bytes, cache.prefix_hourly_bytes
    return KeepPrefixes(str(paths.state / "prefixes"), *bounds, cache.per_client)
