"""YAML text as plain data that remembers where each value stands, and places in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import yaml

from edge_rt.core.errors import ConfigError
from edge_rt.core.files import LOADER

Key = tuple[str | int, ...]
"""Section, key and, in a list, the index: ("models", "preload", 1)."""

_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_TYPED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
# These look special to YAML 1.1, but nothing in a configuration is a date or a merge.
_TEXT = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "timestamp", "merge", "value"))


def dotted(key: Key) -> str:
    """`key` as people write it: models.preload[1]."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")


@dataclass(frozen=True)
class Tree:
    """A parsed file: what it says, where, and what could not be read."""

    file: str
    data: object
    lines: dict[Key, int] = field(default_factory=dict[Key, int])  # 1-based
    written: dict[Key, str] = field(default_factory=dict[Key, str])  # unquoted values that YAML
    # takes for something other than text, as they were written
    faults: list[ConfigError] = field(default_factory=list[ConfigError])

    def line(self, key: Key) -> int | None:
        """Return the line of `key`, or of the nearest place around it that is in the file."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)

    def error(self, key: Key, message: str) -> ConfigError:
        """Return an error that points at `key`."""
        return ConfigError(message, file=self.file, line=self.line(key), key=dotted(key))


def parse(content: bytes, file: str) -> Tree:
    """Read one YAML document; ConfigError when it is none.

    Values that cannot be used (duplicates, aliases, unknown tags) are left out of the data and
    listed in `faults`.
    """
    try:
        walker = _Walker(file)
        return walker.tree(_compose(_decode(content, file), file))
    except RecursionError:
        raise ConfigError("nested too deeply", file=file) from None


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8 text", file=file, line=line) from None


def _compose(text: str, file: str) -> yaml.Node | None:
    with suppress(yaml.YAMLError, ValueError, OverflowError):
        return LOADER(text).get_single_node()
    try:  # PyYAML's own parser says better what is wrong
        return yaml.SafeLoader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError("holds a character that YAML forbids", file=file, line=line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        reason = error.problem or error.context or "cannot be parsed"
        raise ConfigError(f"not valid YAML: {reason}", file=file, line=line) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"not valid YAML: {error}", file=file) from None


class _Walker:
    """Turns nodes into data, noting lines and faults on the way."""

    def __init__(self, file: str) -> None:
        self._tree = Tree(file, None)
        self._construct = cast(
            "Callable[[yaml.Node], object]",
            yaml.constructor.SafeConstructor().construct_object,  # pyright: ignore[reportUnknownMemberType]
        )
        self._seen: set[int] = set()

    def tree(self, root: yaml.Node | None) -> Tree:
        if root is None:
            return self._tree
        data = self._value((), root)
        return Tree(self._tree.file, data, self._tree.lines, self._tree.written, self._tree.faults)

    def _value(self, key: Key, node: yaml.Node) -> object:
        self._tree.lines.setdefault(key, node.start_mark.line + 1)
        if id(node) in self._seen:
            raise self._tree.error(key, "aliases are not supported: write the value out")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(key, node)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return self._sequence(key, node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(key, node)
        raise self._tree.error(key, f"tag {node.tag} is not supported: remove it")

    def _mapping(self, key: Key, node: yaml.MappingNode) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            try:
                place = self._name(key, name)
                found[str(place[-1])] = self._value(place, value)
            except ConfigError as fault:
                self._tree.faults.append(fault)
        return found

    def _name(self, key: Key, node: yaml.Node) -> Key:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise ConfigError(
                "a key must be text", file=self._tree.file, line=line, key=dotted(key)
            )
        place = (*key, cast(str, node.value))
        if place in self._tree.lines:
            raise ConfigError(
                f"given twice, first in line {self._tree.lines[place]}: remove one",
                file=self._tree.file,
                line=line,
                key=dotted(place),
            )
        self._tree.lines[place] = line
        return place

    def _sequence(self, key: Key, node: yaml.SequenceNode) -> list[object]:
        # One unusable item makes the list unusable: leaving it out would shift the others.
        items = cast("list[yaml.Node]", node.value)
        return [self._value((*key, index), item) for index, item in enumerate(items)]

    def _scalar(self, key: Key, node: yaml.ScalarNode) -> object:
        text = cast(str, node.value)
        if node.tag in _TEXT:
            return text
        if node.tag not in _TYPED:
            raise self._tree.error(key, f"tag {node.tag} is not supported: remove it")
        try:
            value = self._construct(node)
        except (ValueError, LookupError, yaml.YAMLError):
            kind = node.tag.rpartition(":")[2]
            raise self._tree.error(key, f"cannot be read as {kind}: {text!r}") from None
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise self._tree.error(key, "expected an integer of at most 64 bits")
        if isinstance(value, float) and not math.isfinite(value):
            raise self._tree.error(key, f"expected a finite number, got {text}")
        if not node.style:
            self._tree.written[key] = text
        return value
