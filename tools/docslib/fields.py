"""The fields of a msgspec struct in words, and chapters with tables of them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET
from msgspec import inspect as types

from docslib.markdown import code, table

_NAMES: dict[type[types.Type], str] = {types.BoolType: "`true` or `false`", types.StrType: "text"}
_HEAD = ("Field", "Value", "Default", "Meaning")


@dataclass(frozen=True)
class Field:
    """One field: the name it has in a document, its type, default and description in words.

    A text below a field may end with "Default: ..." where the value in the source says too little.
    """

    name: str
    kind: str
    default: str
    text: str
    struct: type[msgspec.Struct] | None  # the section that it holds, if it holds one
    type: types.Type


def fields(struct: type[msgspec.Struct]) -> list[Field]:
    """Return the fields of `struct`, those of its bases first."""
    texts = _texts(struct)
    found: list[Field] = []
    for field in msgspec.structs.fields(struct):
        kind = types.type_info(field.type)
        inner = kind.cls if isinstance(kind, types.StructType) else None
        text, _, default = texts.get(field.name, "").partition(" Default: ")
        default = default.removesuffix(".") or _default(field)
        found.append(Field(field.encode_name, words(kind), default, text, inner, kind))
    return found


def words(kind: types.Type) -> str:
    """Return a type in words, such as "integer from 1 to 64"."""
    match kind:
        case types.Metadata():
            return words(kind.type)
        case types.IntType():
            return f"integer{_bounds(kind)}"
        case types.FloatType():
            return f"number{_bounds(kind)}"
        case types.StrType(pattern=str(pattern)):
            return f"text that matches `{pattern.removesuffix(chr(92) + 'Z')}`"
        case types.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case types.UnionType():
            return " or ".join(words(each) for each in kind.types if not _is_none(each))
        case types.ListType() | types.VarTupleType() | types.SetType():
            return f"list of: {words(kind.item_type)}"
        case types.DictType():
            return f"mapping from {words(kind.key_type)} to {words(kind.value_type)}"
        case types.StructType():
            return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
        case _:
            return _NAMES.get(type(kind), "any value")


def _is_none(kind: types.Type) -> bool:
    return isinstance(kind, types.NoneType)


def _bounds(kind: types.IntType | types.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    low = f", at least {kind.ge}" if kind.ge is not None else ""
    low += f", more than {kind.gt}" if kind.gt is not None else ""
    return low + (f", at most {kind.le}" if kind.le is not None else "")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    value: Any = field.default
    if value is NODEFAULT:
        return "required"
    if value is None or value is UNSET or isinstance(value, msgspec.Struct):
        return ""
    return f"`{json.dumps(value)}`"


def structs(roots: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """Return `roots` and every struct that they may hold, in the order in which they are met."""
    found: dict[type[msgspec.Struct], None] = {}
    pending = list(roots)
    while pending:
        struct = pending.pop(0)
        if struct not in found:
            found[struct] = None
            pending += _inside(field.type for field in fields(struct))
    return list(found)


def _inside(kinds: Iterable[types.Type]) -> Iterator[type[msgspec.Struct]]:
    for kind in kinds:
        match kind:
            case types.StructType(cls=cls):
                yield cls
            case types.Metadata(type=inner):
                yield from _inside([inner])
            case types.UnionType(types=several) | types.TupleType(item_types=several):
                yield from _inside(several)
            case types.ListType(item_type=item) | types.VarTupleType(item_type=item):
                yield from _inside([item])
            case types.DictType(value_type=item):
                yield from _inside([item])
            case _:
                pass


def _texts(struct: type) -> dict[str, str]:
    """Return what the source says of each field of `struct` and its bases."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            found |= _texts_of(each)
    return found


def _texts_of(struct: type) -> dict[str, str]:
    """The string below a field, else the comment behind it."""
    source = textwrap.dedent(inspect.getsource(struct))
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for line, below in zip_longest(body.body, body.body[1:]):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
            case ast.AnnAssign(target=ast.Name(id=name), end_lineno=int(end)), _:
                found[name] = source.splitlines()[end - 1].partition("  # ")[2]
            case _:
                pass
    return found


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
