"""The reference of config.yaml, made from its schema."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import inspect as types

from docslib.fields import Field, fields
from docslib.markdown import code, page, table
from edge_rt.config.schema import Config

_ABOUT = """\
No configuration is needed: every key has a default. The file is `/etc/edge-rt/config.yaml` for the
service and `~/.config/edge-rt/config.yaml` for a user; `--config` names another. Unknown keys are
errors. Sizes are bytes or tokens, times seconds.

`edge-rt check-config FILE` checks a file and names file, line and key of every fault. The daemon
refuses to start with a faulty configuration, except for models that the store lacks and power modes
that the board lacks: it starts without these, and `edge-rt status` names them. `systemctl reload
edge-rt` takes over a changed `budget`, `log.level`, `knobs.cpufreq`, `knobs.gpufreq` and TCP keys
without a restart.

This page is made from the daemon's own schema."""


_EACH = ".NAME"  # behind a mapping of sections, which users name


def configuration() -> str:
    """Return the page: a table of each section's keys."""
    top = [field for field in fields(Config) if field.struct is None]
    blocks = [_ABOUT, "## Top level", _table("", top)]
    for name, struct in [*_sections("", Config), *_several()]:
        anchor = f" {{#{struct.__name__.lower()}}}" if name.endswith(_EACH) else ""
        heading = name.removesuffix("[]") + anchor
        blocks += [f"## {heading}", _doc(struct), _table(name, fields(struct))]
    return page("Configuration", *blocks)


def _sections(
    prefix: str, struct: type[msgspec.Struct]
) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    for field in fields(struct):
        if field.struct is not None:
            name = f"{prefix}{field.name}"
            yield name, field.struct
            yield from _sections(f"{name}.", field.struct)


def _several() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The sections of which there is a list or a mapping."""
    for field in fields(Config):
        match field.type:
            case types.ListType(item_type=types.StructType(cls=struct)):
                yield f"{field.name}[]", struct
            case types.DictType(value_type=types.StructType(cls=struct)):
                yield f"{field.name}{_EACH}", struct
            case _:
                pass


def _doc(struct: type[msgspec.Struct]) -> str:
    return " ".join((struct.__doc__ or "").split())


def _table(section: str, keys: list[Field]) -> str:
    prefix = f"{section}." if section else ""
    rows = [
        (code(f"{prefix}{key.name}"), key.kind, key.default, key.text)
        for key in keys
        if key.struct is None
    ]
    return table(("Key", "Value", "Default", "Meaning"), rows) if rows else ""
