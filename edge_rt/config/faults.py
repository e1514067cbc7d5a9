"""What is wrong with a value, in words: what was expected and what was got."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from edge_rt.config.key import Key, dotted
from edge_rt.config.schema import Config

_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "object": "a section with keys",
    "array": "a list",
    "null": "nothing",
}
_KEY_HASH = "64 hexadecimal digits, the sha256 of a key (`edge-rt key --hash` makes it of one)"
_SHAPES: dict[Key, str] = {  # what the patterns and choices of the schema mean
    ("socket", "mode"): 'an octal mode such as "0660"',
    ("tcp", "api_key_sha256"): _KEY_HASH,
    ("tcp", "admin_key_sha256"): _KEY_HASH,
    ("log", "level"): "one of debug, info, warning, error",
    ("budget", "energy_period"): "hour or day",
    ("engine", "kv_type"): "one of q8_0/f16, f16, q8_0, q4_0, or a list of them",
    ("governor", "sacrifice"): "one of pace, model, queue, refuse",
    ("knobs", "cpufreq"): "governed",
    ("knobs", "gpufreq"): "governed",
    ("router", "quality"): "low, normal, high or a number from 0 to 1",
}
_SECRETS = {"api_key_sha256", "admin_key_sha256"}  # someone may have put the key itself there
_SHOWN = 60  # characters of a wrong value that a message repeats


def describe(key: Key, message: str, got: object) -> str:
    """A sentence for msgspec's `message` about the value `got` at `key`."""
    wanted = re.sub(r", got `\w+`$", "", message).removeprefix("Expected ")
    wanted = re.sub(r"^`([^`]*)`", lambda match: _kinds(match[1]), wanted)
    if "matching regex" in wanted or wanted.startswith("Invalid enum"):
        wanted = _SHAPES.get(tuple(part for part in key if isinstance(part, str)), wanted)
    return f"expected {wanted}, got {_shown(key, got)}"


def _kinds(names: str) -> str:
    kinds = [name for name in names.split(" | ") if name != "null"]
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds)


def _shown(key: Key, value: object) -> str:
    if isinstance(value, (dict, list)):
        return "a section" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and not _SECRETS.isdisjoint(key):
        return f"text of {len(value)} characters"
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def suggestion(key: Key) -> str:
    """A hint at the key that was meant, here or in another section."""
    import difflib  # only a faulty file needs it

    known = {dotted(place): place for place in _keys(Config)}
    siblings = [str(place[-1]) for place in known.values() if place[:-1] == key[:-1]]
    name = str(key[-1])
    close = difflib.get_close_matches(name, siblings, n=1)
    above = [key[:length] for length in range(1, len(key))]
    close = close or [f for f, place in known.items() if place[-1] == name and place not in above]
    if len(key) == 1:  # it may have lost its section
        close = close or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def unknown(
    data: Mapping[str, object], section: type[msgspec.Struct] = Config, at: Key = ()
) -> Iterator[Key]:
    """Every key of `data`, which lies at `at`, that `section` does not have."""
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
