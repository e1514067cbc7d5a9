"""The pairs of models that are known: those of the catalogue, and those that were tuned here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge_rt.durable import replace_file
from edge_rt.errors import ConfigError
from edge_rt.models.disk import locked, store_errors
from edge_rt.models.manifest import Stamp, stamp_of
from edge_rt.models.pair import Pair

FILE = "pairs.yaml"
_HEAD = b"# Written by edge-rt tune; delete an entry to have the catalogue's again.\n"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pairs: list[Pair] = []


class Pairs:
    """Pairs by their models; what was tuned stands in for what the catalogue says of the same two.

    Several processes may use one store: each call sees what others have changed. For a file that
    says nothing of use all raise ConfigError, the same one until it changes.
    """

    def __init__(self, root: Path, catalogue: Iterable[Pair] = ()) -> None:
        """`root` is the store's folder."""
        self._root, self._path = root, root / FILE
        self._catalogue = list(catalogue)
        self._seen: tuple[Stamp, list[Pair] | ConfigError] | None = None

    def __iter__(self) -> Iterator[Pair]:
        """Those that were tuned first, each two models once."""
        known: dict[tuple[str, str], Pair] = {}
        for pair in (*self._tuned(), *self._catalogue):
            known.setdefault((pair.large, pair.small), pair)
        return iter(known.values())

    def stamp(self) -> Stamp | None:
        """Of the file of those that were tuned; None when there is none. Raises OSError."""
        return stamp_of(self._path)

    def of(self, large: str) -> list[Pair]:
        """Those in which that model is the large one, the one to take first."""
        return [pair for pair in self if pair.large == large]

    def find(self, large: str, small: str) -> Pair | None:
        """The pair of the two, if there is any."""
        return next((pair for pair in self.of(large) if pair.small == small), None)

    def write(self, pair: Pair) -> Path:
        """Keep how a pair is best asked, over what was there; gives the file.

        It becomes the pair that its large model is asked with. Raises StoreError, or ConfigError
        where the file cannot be read.
        """
        with store_errors("cannot make the model store"):
            self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / ".lock"), store_errors(f"cannot write {self._path}"):
            key = pair.large, pair.small
            others = [old for old in self._tuned() if (old.large, old.small) != key]
            replace_file(self._path, _encoded([pair, *others]))
        return self._path

    def _tuned(self) -> list[Pair]:
        with store_errors(f"cannot read {self._path}"):
            stamp = self.stamp()
            if stamp is None:
                return []
            if self._seen is None or self._seen[0] != stamp:
                self._seen = stamp, _decoded(self._path)
        found = self._seen[1]
        if isinstance(found, ConfigError):
            raise found.with_traceback(None)
        return found


def _encoded(pairs: list[Pair]) -> bytes:
    content: Any = msgspec.to_builtins(_File(pairs))
    for pair in content["pairs"]:
        for name in [name for name, value in pair.items() if value is None]:
            del pair[name]
    return _HEAD + yaml.safe_dump(content, sort_keys=False).encode()


def _decoded(path: Path) -> list[Pair] | ConfigError:
    try:
        return msgspec.convert(yaml.safe_load(path.read_bytes()) or {}, _File).pairs
    except (msgspec.ValidationError, yaml.YAMLError, ValueError) as error:
        advice = "mend it, or move it away"
        return ConfigError(f"{error}; {advice}", file=str(path))
