"""From a YAML file to a checked Config, or to every reason why not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from edge_rt.config import tree as yaml_tree
from edge_rt.config.checks import contradictions
from edge_rt.config.paths import Paths
from edge_rt.config.removed import removed
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key, Tree, dotted
from edge_rt.core.errors import ConfigError, closest
from edge_rt.core.files import YAML_BYTES, read_regular

log = logging.getLogger(__name__)

_PLACE = re.compile(r"\.(\w+)|\[(\d+)\]")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`")


def suggestion(key: Key) -> str:
    """Return a hint at the key that was meant, here or in another section."""
    known = {dotted(place): place for place in _keys(Config)}
    siblings = [str(place[-1]) for place in known.values() if place[:-1] == key[:-1]]
    name = str(key[-1])
    close = closest(name, siblings)
    above = [key[:length] for length in range(1, len(key))]
    moved = (f for f, place in known.items() if place[-1] == name and place not in above)
    close = close or next(moved, None)
    if len(key) == 1:  # it may have lost its section
        close = close or closest(name, known)
    return f"; did you mean {close}?" if close else ""


def unknown(
    data: Mapping[str, object], section: type[msgspec.Struct] = Config, at: Key = ()
) -> Iterator[Key]:
    """Yield every key of `data`, which lies at `at`, that `section` does not have."""
    sections = {field.name: _section(field.type) for field in msgspec.structs.fields(section)}
    for name, value in data.items():
        if name not in sections:
            yield (*at, name)
        elif (inner := sections[name]) and isinstance(value, dict):
            yield from unknown(cast("dict[str, object]", value), inner, (*at, name))


def _keys(section: type[msgspec.Struct]) -> Iterator[Key]:
    for field in msgspec.structs.fields(section):
        yield (field.name,)
        if inner := _section(field.type):
            yield from ((field.name, *key) for key in _keys(inner))


def _section(kind: object) -> type[msgspec.Struct] | None:
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


Check = Callable[[Config], Iterable[tuple[Key, str]]]
"""Finds keys that cannot work, with the reasons, in a Config that is without other faults."""


def load(path: Path | None = None, *further: Check) -> Config:
    """Return the configuration in `path`.

    None: the installation's file, or defaults if it has none.

    Raises ConfigError for the first fault, those that `further` checks find among them, and for
    a named file that is missing.
    """
    target = Paths.detect().config_file if path is None else path
    if path is None and not present(target):
        return Config()
    config, faults = check(target, *further)
    if faults:
        raise faults[0]
    return config


def present(path: Path) -> bool:
    """Return whether something is at `path`; one that may not be looked at counts as present."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def check(path: Path, *further: Check) -> tuple[Config, list[ConfigError]]:
    """Return the configuration in `path` and all its faults, in the order of their lines.

    Keys at fault have their defaults in the Config.
    """
    try:
        content = read_regular(path, YAML_BYTES)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Config(), [ConfigError(reason, file=str(path))]
    return check_text(content, str(path), *further)


def check_text(content: bytes, file: str, *further: Check) -> tuple[Config, list[ConfigError]]:
    """Check the content of a file, as `check` does; `file` is its name in messages."""
    try:
        tree = yaml_tree.parse(content, file)
    except ConfigError as fault:
        return Config(), [fault]
    config, faults = _convert(tree)
    for judge in (contradictions, *further):
        if not faults:  # each relies on what the ones before it have made sure of
            faults = [tree.error(key, message) for key, message in judge(config)]
    return config, sorted(faults, key=lambda fault: fault.line or 0)


def _convert(tree: Tree) -> tuple[Config, list[ConfigError]]:
    """Type the tree. Every key has a default, so a faulty one is dropped and the rest tried."""
    root: object = {} if tree.data is None else tree.data
    if not isinstance(root, dict):
        return Config(), [tree.error((), "expected a mapping of sections such as 'engine:'")]
    data, faults = cast("dict[str, object]", root), list(tree.faults)
    for key, warning in list(removed(data)):
        log.warning("%s", tree.error(key, warning))
        _drop(data, key)
    for key in list(unknown(data)):
        faults.append(tree.error(key, f"unknown key{suggestion(key)}"))
        _drop(data, key)
    while fault := fault_in(data, Config):
        key, message = fault
        if not _amend(data, key, message, tree):
            faults.append(tree.error(key, message))
            _drop(data, key)
    return msgspec.convert(data, Config), faults


def fault_in(data: object, kind: Any, at: Key = ()) -> tuple[Key, str] | None:
    """Return a key of `data`, which lies at `at`, that `kind` refuses, with the reason, if any.

    Rows of mappings are tried one by one, since msgspec does not say which of them is at fault.
    """
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        message = str(error)
    else:
        return None
    text, found, place = message.rpartition(" - at `")
    place, rows, _ = place.partition("[...]") if found else ("", "", "")
    key: Key = tuple(int(i) if i else name for name, i in _PLACE.findall(place))
    if rows or place.startswith("key`"):
        name_kind, row_kind = get_args(_kind_at(kind, key))
        for name, row in cast("dict[str, object]", value_at(data, key)).items():
            here = *at, *key, name
            if fault := fault_in(name, name_kind, here) or fault_in(row, row_kind, here):
                return fault
    return _worded((*at, *key), text or message)


def _kind_at(kind: Any, key: Key) -> Any:
    for name in key:
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
    return kind


def _worded(key: Key, message: str) -> tuple[Key, str]:
    field = _FIELD.fullmatch(message)
    if field is None:
        return key, message
    missing = field[1] == "missing required"
    return (key, f"needs {field[2]}") if missing else ((*key, field[2]), "unknown key")


def _amend(data: dict[str, object], key: Key, message: str, tree: Tree) -> bool:
    """Put right what is merely YAML's way of writing; True when something was.

    A section with nothing in it holds its defaults, and an unquoted value where text is wanted
    is the text as it stands in the file (0660, which YAML reads as a number).
    """
    if message == "Expected `object`, got `null`":
        _put(data, key, {})
        return True
    if message.startswith(("Expected `str`, got", "Expected `str | null`, got")):
        text = tree.written.pop(key, None)
        if text is not None:
            _put(data, key, text)
            return True
    return False


def value_at(data: object, key: Key) -> object:
    """Return what `data` has at `key`; None where there is nothing."""
    for part in key:
        if isinstance(data, dict):
            data = cast("dict[str | int, object]", data).get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = cast("list[object]", data)[part]
        else:
            return None
    return data


def _put(data: dict[str, object], key: Key, value: object) -> None:
    cast("dict[str | int, object]", value_at(data, key[:-1]))[key[-1]] = value


def _drop(data: dict[str, object], key: Key) -> None:
    del cast("dict[str | int, object]", value_at(data, key[:-1]))[key[-1]]
