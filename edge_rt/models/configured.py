"""What the configuration says of models, held against the rules and the files of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edge_rt.config.schema import Config
from edge_rt.config.tree import Key
from edge_rt.core.errors import ConfigError, ModelNotFound, RequestError
from edge_rt.core.requests import Kind
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.naming import RESERVED_NAMES, check_id
from edge_rt.models.record import called
from edge_rt.models.store.store import Store


def model_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every key of the models that cannot work here, with the reason."""
    yield from _names(config)
    yield from _store(config)
    for index, path in enumerate(config.models.catalogue):
        try:
            load_catalogue([path])
        except ConfigError as error:
            yield ("models", "catalogue", index), str(error)


def missing_models(config: Config, store: Store) -> Iterator[tuple[Key, str]]:
    """Yield every key that names a model which the store lacks or which is of the wrong kind.

    The daemon starts without these models, because they may be added while it runs. Raises
    StoreError.
    """
    for key, name, kind in _uses(config):
        try:
            found = store.get(name).kind
        except ModelNotFound as error:
            yield key, str(error)
        else:
            if kind is not None and kind != found:
                yield key, f"{name} is {called(found)}: {called(kind)} is needed"


def _uses(config: Config) -> Iterator[tuple[Key, str, Kind | None]]:
    """Yield each key that names a model, the name, and the kind that is needed; None: any."""
    models, semantic = config.models, config.cache.semantic.model
    if models.default is not None:
        yield ("models", "default"), models.default, "language"
    for index, name in enumerate(models.preload):
        yield ("models", "preload", index), name, None
    for index, one in enumerate(config.warm):
        if one.model != "default":
            yield ("warm", index, "model"), one.model, "language"
    for name, smaller in models.smaller.items():
        yield ("models", "smaller", name), name, "language"
        yield ("models", "smaller", name), smaller, "language"
    for alias, target in models.aliases.items():
        if target not in RESERVED_NAMES:
            yield ("models", "aliases", alias), target.partition("@")[0], None
    judge = config.cache.semantic.judge
    if judge not in (None, "default"):
        yield ("cache", "semantic", "judge"), judge, "language"
    if semantic not in (None, "default"):
        yield ("cache", "semantic", "model"), semantic, "embedding"


def _names(config: Config) -> Iterator[tuple[Key, str]]:
    for alias in config.models.aliases:
        if alias in RESERVED_NAMES:
            key = ("models", "aliases", alias)
            yield key, f"{alias!r} means something by itself: choose another"
    for key, name, kind in _uses(config):
        if kind == "embedding":
            continue  # an alias, or a name of the hub, will do, too
        try:
            check_id(name)
        except RequestError as error:
            yield key, str(error)


def _store(config: Config) -> Iterator[tuple[Key, str]]:
    if config.models.store is None:
        return
    place = Path(config.models.store)
    with suppress(OSError):  # what may not be looked at is for the daemon to find out
        there = next(path for path in (place, *place.parents) if path.exists())
        if not there.is_dir():
            yield ("models", "store"), f"{there} is no directory: move it away or choose another"
