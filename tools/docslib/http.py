"""The reference of the HTTP API, made from the routes and the types of their documents."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import inspect as types

from docslib.fields import Field, fields
from docslib.markdown import code, page, table
from edge_rt.api.failure import ErrorBody
from edge_rt.api.openapi import OPERATIONS, Operation

_ABOUT = """\
The daemon serves HTTP on its Unix socket, and on TCP where `tcp.listen` says so. The endpoints
below `/v1` speak OpenAI's API; those below `/edge/v1` are edge_rt's own. `GET /openapi.json`
returns the same as this page as an OpenAPI 3.1 document.

Over TCP a key is sent as `Authorization: Bearer KEY`. Endpoints that "administer" are for root, the
daemon's own user and those whom [`access.administer`](configuration.md#accessadminister) or
`tcp.admin_key_sha256` name.

An answer with `"stream": true` comes as server-sent events that end with `[DONE]`. Answers that are
not streamed carry the numbers and texts of their `edge` object as headers, too: `X-Edge-Energy-J`
for `energy_j`. `X-Edge-Warning` is a sentence about what makes all answers slow, or about a field
that was ignored."""

_ERRORS = """\
Every error is a JSON document in OpenAI's form, [ErrorBody](#errorbody). 400: the request cannot be
served as it is. 401 and 403: the client may not. 404: no such path, model, cached answer or trace.
413: too large. 429: this client sends too much. 500: the daemon or a model file is at fault.
503: not now. 429 and 503 come with `Retry-After` in seconds."""


def http() -> str:
    """Return the page: an overview, each operation, and the types of the documents."""
    operations = OPERATIONS.items()
    rows = [(f"{code(method)} {code(path)}", each.summary) for (method, path), each in operations]
    blocks = [_ABOUT, table(("Request", "Meaning"), rows), "## Errors", _ERRORS, "## Operations"]
    for (method, path), each in operations:
        blocks += [f"### {method} {path}", *_operation(each)]
    blocks.append("## Documents")
    for struct in sorted(_structs(), key=lambda each: each.__name__):
        blocks += [f"### {struct.__name__}", doc(struct), _table(fields(struct))]
    return page("HTTP API", *blocks)


def doc(struct: type) -> str:
    """Return the docstring of a type in Markdown."""
    return inspect.cleandoc(struct.__doc__ or "")


def _operation(operation: Operation) -> Iterator[str]:
    yield operation.summary
    if operation.query:
        each = (f"`{name}` ({low} to {high})" for name, (low, high) in operation.query.items())
        yield f"Query: {', '.join(each)}."
    if operation.body is not None:
        yield f"Body: {_link(operation.body)}."
    if operation.reply is not None:
        stream = ", or a stream of events" if operation.streams else ""
        yield f"Reply: {_link(operation.reply)}{stream}."


def _link(struct: type) -> str:
    return f"[{struct.__name__}](#{struct.__name__.lower()})"


def _table(found: list[Field]) -> str:
    """The fields, but for those of any type, which are known in order to be refused."""
    rows = [
        (code(field.name), _value(field), field.default, field.text)
        for field in found
        if field.kind != "any value" or field.default == "required"
    ]
    head = ("Field", "Value", "Default", "Meaning")
    used = [at for at in range(len(head)) if any(row[at] for row in rows)]
    cells = [[row[at] for at in used] for row in rows]
    return table([head[at] for at in used], cells) if rows else ""


def _value(field: Field) -> str:
    nullable = isinstance(field.type, types.UnionType) and field.type.includes_none
    return field.kind + (" or `null`" if nullable and field.default == "required" else "")


def _structs() -> set[type[msgspec.Struct]]:
    """Return every struct that a document may hold."""
    found: set[type[msgspec.Struct]] = set()
    pending = [one for each in OPERATIONS.values() for one in (each.body, each.reply) if one]
    pending.append(ErrorBody)
    while pending:
        struct = pending.pop()
        if struct not in found:
            found.add(struct)
            pending += _inside(field.type for field in fields(struct))
    return found


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
