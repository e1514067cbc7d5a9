"""A value of any type that the API's documents are made of, with nothing left out."""

from __future__ import annotations

from typing import Any

from msgspec import inspect as types


def sample(kind: Any) -> Any:
    """Return a value of type `kind`: every optional field is there and no list is empty."""
    return _of(types.type_info(kind))


def _of(kind: types.Type) -> Any:
    match kind:
        case types.Metadata():
            return _of(kind.type)
        case types.StructType():
            return kind.cls(**{field.name: _of(field.type) for field in kind.fields})
        case types.UnionType():
            return _of(next(each for each in kind.types if not isinstance(each, types.NoneType)))
        case types.LiteralType():
            return kind.values[0]
        case types.ListType() | types.VarTupleType():
            return [_of(kind.item_type)]
        case types.DictType():
            return {_of(kind.key_type): _of(kind.value_type)}
        case types.BoolType():
            return True
        case types.IntType() | types.FloatType():
            return 1
        case _:
            return "…"
