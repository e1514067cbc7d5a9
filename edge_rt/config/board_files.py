"""Directories of board profiles: what lies in them, and who extends whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from edge_rt.config import tree as yaml_tree
from edge_rt.config.tree import Key, Tree, dotted
from edge_rt.core.errors import ConfigError
from edge_rt.core.files import YAML_BYTES, read_regular

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
SOURCES = "sources.yaml"  # explains what profiles call their sources, for people


@dataclass(frozen=True)
class Profile:
    """One file: `data` is its content, `extends` left out."""

    id: str
    layer: int  # the number of its directory; higher ones win
    tree: Tree
    data: dict[str, object]
    extends: object  # as it stands in the file


@dataclass
class Shelf:
    """All profiles of some directories, and what could not be read."""

    profiles: dict[str, list[Profile]] = field(default_factory=dict[str, list[Profile]])
    faults: list[ConfigError] = field(default_factory=list[ConfigError])

    @classmethod
    def read(cls, dirs: Sequence[Path]) -> Shelf:
        """Return what lies in `dirs`, later ones above earlier ones.

        One that is missing is empty.
        """
        shelf = cls()
        for layer, directory in enumerate(dirs):
            for path in shelf._files(directory):
                try:
                    shelf._add(path, layer)
                except ConfigError as fault:
                    shelf.faults.append(fault)
        return shelf

    def visible(self) -> Iterator[Profile]:
        """Yield the winning profile of every id, in the order of their directories."""
        winners = [versions[-1] for versions in self.profiles.values()]
        return iter(sorted(winners, key=lambda profile: (profile.layer, profile.id)))

    def line_of(self, profile: Profile) -> list[Profile]:
        """`profile`, what it extends, what that extends and so on; ConfigError if that fails."""
        found = [profile]
        while found[-1].extends is not None:
            parent = self._parent(found[-1])
            if parent in found:
                names = " -> ".join(each.id for each in [*found[found.index(parent) :], parent])
                raise found[-1].tree.error(("extends",), f"extends itself: {names}")
            found.append(parent)
        return found

    def _parent(self, profile: Profile) -> Profile:
        """Return the parent. A profile that extends its own id extends the one that it hides."""
        name = profile.extends
        versions = self.profiles.get(name, []) if isinstance(name, str) else []
        if name == profile.id:
            versions = [each for each in versions if each.layer < profile.layer]
        if not versions:
            raise profile.tree.error(("extends",), f"no board profile {name!r} to extend")
        return versions[-1]

    def _files(self, directory: Path) -> list[Path]:
        try:
            found = sorted(directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.faults.append(_unreadable(directory, error))
            return []
        return [path for path in found if path.suffix == ".yaml" and path.name[0] != "."]

    def _add(self, path: Path, layer: int) -> None:
        tree, data = _parse(path)
        self.faults += tree.faults
        if path.name == SOURCES:
            return
        if not _ID.fullmatch(path.stem):
            raise tree.error(
                (), "expected a file name of lower-case letters, digits, '.', '_', '-'"
            )
        extends = data.pop("extends", None)
        profile = Profile(path.stem, layer, tree, data, extends)
        self.profiles.setdefault(path.stem, []).append(profile)


def merged(line: Sequence[Profile]) -> dict[str, object]:
    """Return the content of the first profile in `line` upon that of the others."""
    data: dict[str, object] = {}
    for profile in reversed(line):
        data = _upon(data, profile.data)
    return data


def place(line: Sequence[Profile], key: Key, message: str) -> ConfigError:
    """Return an error that points at `key`, in the nearest profile that has it."""
    whole = key
    while key:
        for profile in line:
            if key in profile.tree.lines:
                return ConfigError(
                    message,
                    file=profile.tree.file,
                    line=profile.tree.lines[key],
                    key=dotted(whole),
                )
        key = key[:-1]
    return line[0].tree.error(whole, message)


def _upon(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    """Join sections.

    A record with a source is replaced whole, so that no figure changes hands; null takes away what
    is below.
    """
    joined = below | above
    for name, value in above.items():
        under = below.get(name)
        if value is None:
            del joined[name]
        elif isinstance(value, dict) and isinstance(under, dict):
            mine, theirs = cast("dict[str, object]", value), cast("dict[str, object]", under)
            joined[name] = mine if "source" in mine or "source" in theirs else _upon(theirs, mine)
    return joined


def _parse(path: Path) -> tuple[Tree, dict[str, object]]:
    try:
        content = read_regular(path, YAML_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from None
    tree = yaml_tree.parse(content, str(path))
    data = tree.data
    if not isinstance(data, dict):
        raise tree.error((), "expected a mapping with keys such as 'name:'")
    return tree, cast("dict[str, object]", data)


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot be read: {error.strerror or error}", file=str(path))
