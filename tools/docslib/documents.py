"""Chapters about types of documents: what each is, and a table of its fields."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import inspect as types

from docslib.fields import Field, fields
from docslib.markdown import code, table

_HEAD = ("Field", "Value", "Default", "Meaning")


def documents(found: Iterable[type[msgspec.Struct]]) -> Iterator[str]:
    """Yield a heading, the docstring and the fields of each struct."""
    for struct in found:
        yield f"### {struct.__name__.lstrip('_')}"
        yield inspect.cleandoc(struct.__doc__ or "")
        yield _table(fields(struct))


def _table(found: list[Field]) -> str:
    """The fields, but for those of any type without a text: they are known to be refused.

    Columns in which nothing stands are left out.
    """
    rows = [
        (code(field.name), _value(field), field.default, field.text)
        for field in found
        if field.kind != "any value" or field.default == "required" or field.text
    ]
    used = [at for at in range(len(_HEAD)) if any(row[at] for row in rows)]
    cells = [[row[at] for at in used] for row in rows]
    return table([_HEAD[at] for at in used], cells) if rows else ""


def _value(field: Field) -> str:
    nullable = isinstance(field.type, types.UnionType) and field.type.includes_none
    return field.kind + (" or `null`" if nullable and field.default == "required" else "")
