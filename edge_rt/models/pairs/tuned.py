"""A file of the store that holds what was found out here, as a list under one name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from edge_rt.core.errors import ConfigError
from edge_rt.core.files import NO_YAML, READABLE, replace_file
from edge_rt.models.store.disk import locked, read_regular, store_errors
from edge_rt.models.store.manifest import Stamp, stamp_of

ItemT = TypeVar("ItemT", bound=msgspec.Struct)


class TunedFile(Generic[ItemT]):
    """Several processes may use one store: each call sees what others have changed.

    For a file that says nothing of use `items` and `put` raise ConfigError, the same one until it
    changes.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        read: Callable[[object], list[ItemT]],
        key: Callable[[ItemT], object],
        head: str,
    ) -> None:
        """`root` is the store's folder. `read` makes items of a document, or raises
        ValidationError. They are told apart by `key`; `head` is for people.
        """
        self._root, self._name, self._read, self._key = root, name, read, key
        self.path, self._head = root / f"{name}.yaml", f"# {head}\n"
        self._seen: tuple[Stamp, list[ItemT] | ConfigError] | None = None

    def stamp(self) -> Stamp | None:
        """Another one as soon as it changes; None when there is none. Raises OSError."""
        return stamp_of(self.path)

    def items(self) -> list[ItemT]:
        """What it holds, the last that was put first."""
        with store_errors(f"cannot read {self.path}"):
            stamp = self.stamp()
            if stamp is None:
                return []
            if self._seen is None or self._seen[0] != stamp:
                self._seen = stamp, self._decoded()
        found = self._seen[1]
        if isinstance(found, ConfigError):
            raise found.with_traceback(None)
        return found

    def put(self, item: ItemT) -> Path:
        """Keep `item` in the place of one with the same key; gives the file.

        Raises StoreError, or ConfigError where the file cannot be read.
        """
        with store_errors("cannot make the model store"):
            self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / ".lock"), store_errors(f"cannot write {self.path}"):
            others = [old for old in self.items() if self._key(old) != self._key(item)]
            replace_file(self.path, self._encoded([item, *others]), READABLE)
        return self.path

    def _encoded(self, items: list[ItemT]) -> bytes:
        content: list[dict[str, Any]] = msgspec.to_builtins(items)
        said = [{k: value for k, value in item.items() if value is not None} for item in content]
        return (self._head + yaml.safe_dump({self._name: said}, sort_keys=False)).encode()

    def _decoded(self) -> list[ItemT] | ConfigError:
        try:
            return self._read(yaml.safe_load(read_regular(self.path)) or {})
        except (msgspec.ValidationError, *NO_YAML) as error:
            return ConfigError(f"{error}; mend it, or move it away", file=str(self.path))
