"""Files of the store with findings of this machine: tuned pairs and calibrations of doubt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from edge_rt.core.errors import ConfigError, StoreError
from edge_rt.core.files import NO_YAML, READABLE, newer, read_regular, replace_file
from edge_rt.core.logs import Trouble
from edge_rt.models.doubt import DoubtCalibration
from edge_rt.models.pair import Pair
from edge_rt.models.store.disk import changing, store_errors
from edge_rt.models.store.manifest import Stamp, stamp_of

log = logging.getLogger(__name__)

FILE = "pairs.yaml"
_VERSION = 1  # of both files, where they do not say it
_PAIRS_HEAD = "Written by edge-rt tune; delete an entry to have the catalogue's again."
_DOUBTS_HEAD = "Written by edge-rt doubt; delete an entry to forget what was found of a model."

ItemT = TypeVar("ItemT", bound=msgspec.Struct)
T = TypeVar("T")


class TunedFile(Generic[ItemT]):
    """Items in a file of the store; each call sees what other processes have changed.

    For a file that cannot be used `items` and `write` raise ConfigError, the same one until it
    changes.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        form: type[dict[str, list[ItemT]]],
        key: Callable[[ItemT], object],
        head: str,
    ) -> None:
        """`root` is the store's folder. The file has the items below `name`, as `form` says, which
        are told apart by `key`; `head` is for people.
        """
        self._root, self._name, self._form, self._key = root, name, form, key
        self.path, self._head = root / f"{name}.yaml", f"# {head}\n"
        self._seen: tuple[Stamp, list[ItemT] | ConfigError] | None = None

    def stamp(self) -> Stamp | None:
        """Return another one as soon as the file changes; None without a file. Raises OSError."""
        return stamp_of(self.path)

    def items(self) -> list[ItemT]:
        """Return the items of the file, the last that was written first."""
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

    def write(self, item: ItemT) -> Path:
        """Keep `item` in the place of one with the same key; return the file.

        Raises StoreError, or ConfigError where the file cannot be read.
        """
        with changing(self._root), store_errors(f"cannot write {self.path}"):
            others = [old for old in self.items() if self._key(old) != self._key(item)]
            replace_file(self.path, self._encoded([item, *others]), READABLE)
        return self.path

    def _encoded(self, items: list[ItemT]) -> bytes:
        content: list[dict[str, Any]] = msgspec.to_builtins(items)
        said = [{k: value for k, value in item.items() if value is not None} for item in content]
        return (self._head + yaml.safe_dump({self._name: said}, sort_keys=False)).encode()

    def _decoded(self) -> list[ItemT] | ConfigError:
        try:
            content: Any = yaml.safe_load(read_regular(self.path)) or {self._name: []}
            version = msgspec.convert(content, dict[str, Any]).pop("version", _VERSION)
            if isinstance(version, int) and version > _VERSION:
                raise ValueError(newer(version, _VERSION))
            if content.keys() - {"version"} != {self._name}:
                raise ValueError(f"expected `{self._name}` and nothing else")
            # Keys that a later program has added are passed over.
            return msgspec.convert({self._name: content[self._name]}, self._form)[self._name]
        except (msgspec.ValidationError, *NO_YAML) as error:
            told = str(error).replace("$[...]", f"$.{self._name}")  # the only key that it may have
            return ConfigError(f"{told}; mend it, or move it away", file=str(self.path))


class Doubts(TunedFile[DoubtCalibration]):
    """Calibrations of doubt, at most one for a model."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's folder."""
        form = dict[str, list[DoubtCalibration]]
        super().__init__(root, "doubts", form, lambda one: one.model, _DOUBTS_HEAD)

    def of(self, model: str, sha256: str) -> DoubtCalibration | None:
        """Return that of a model with that content; None: there is none."""
        found = (one for one in self.items() if (one.model, one.sha256) == (model, sha256))
        return next(found, None)


class ModelPairs(TunedFile[Pair]):
    """Pairs by their models; a tuned pair replaces that of the catalogue with the same models.

    The pair that was written last is the one that its large model is asked with.
    """

    def __init__(self, root: Path, catalogue: Iterable[Pair] = ()) -> None:
        """`root` is the store's folder."""
        super().__init__(root, "pairs", dict[str, list[Pair]], _both, _PAIRS_HEAD)
        self._catalogue = list(catalogue)

    def __iter__(self) -> Iterator[Pair]:
        """Yield tuned pairs first, each two models once."""
        known: dict[tuple[str, str], Pair] = {}
        for pair in (*self.items(), *self._catalogue):
            known.setdefault(_both(pair), pair)
        return iter(known.values())

    def of(self, large: str) -> list[Pair]:
        """Return those in which that model is the large one, the one to take first."""
        return [pair for pair in self if pair.large == large]


def _both(pair: Pair) -> tuple[str, str]:
    return pair.large, pair.small


class Legible:
    """Reads one file; the log tells once that it cannot be read, until that changes."""

    def __init__(self, otherwise: str) -> None:
        """`otherwise` says what is so then."""
        self._trouble = Trouble(log, otherwise)

    def read(self, get: Callable[[], T]) -> T | None:
        """What `get` gets of it; None where it cannot be read."""
        try:
            found = get()
        except (ConfigError, StoreError) as fault:
            # A ConfigError is the same one until the file changes.
            self._trouble.met(fault if isinstance(fault, ConfigError) else str(fault))
            return None
        self._trouble.over()
        return found
