"""GET /openapi.json: the routes and their documents, as OpenAPI describes them.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, cast

import msgspec
from starlette.types import ASGIApp, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import Whole
from edge_rt.api.middleware.respond import ErrorBody, send_bytes

JSON, EVENTS = "application/json", "text/event-stream"
FORM = "multipart/form-data"
Struct = type[msgspec.Struct]


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path: what it does, what it takes and what it answers with.

    `serve` is an ASGI app behind a Context, or a class of ASGI apps that takes one. The summary is
    the first line of its docstring, unless `said` is another one. `reply` None is a document
    without a schema. `right` is what a client needs: "generate" is the right to use models, within
    the limits of one client, "administer" that to change what counts for all, "open" none, not even
    a key over TCP; None: a key alone. `query` has the whole numbers that the URL may tell.
    """

    method: str
    path: str
    serve: Callable[..., Any]
    body: Struct | None = None
    reply: Struct | None = None
    right: Literal["generate", "administer", "open"] | None = None
    query: Mapping[str, Whole] | None = None
    streams: bool = False  # the reply may be or is a stream of events
    content: str = JSON
    takes: str = JSON
    said: str = ""

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return self.said or (inspect.getdoc(self.serve) or "").partition("\n")[0]

    @property
    def template(self) -> str:
        """The path with the names of its parameters."""
        return self.path.replace(":path", "")

    def app(self, context: Context) -> ASGIApp:
        """Return what serves it."""
        return self.serve(context) if isinstance(self.serve, type) else partial(self.serve, context)


async def openapi(context: Context, operations: Sequence[Operation], send: Send) -> None:
    """Send the document, which is made at most once."""
    encoded = await asyncio.to_thread(_encoded, context.version, operations)  # 0.1 s the first time
    await send_bytes(send, encoded, headers=((b"content-type", JSON.encode()),))


@cache
def _encoded(version: str, operations: Sequence[Operation]) -> bytes:
    return msgspec.json.encode(document(version, operations))


def document(version: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of edge_rt `version`."""
    structs = {one for each in operations for one in (each.body, each.reply) if one}
    ordered = sorted({*structs, ErrorBody}, key=lambda struct: struct.__name__)
    found, schemas = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}"
    )
    named = dict(zip(ordered, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.template, {})[each.method.lower()] = _described(each, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "edge_rt", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": {name: _supported(schema) for name, schema in schemas.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _described(operation: Operation, named: Mapping[Struct, dict[str, Any]]) -> dict[str, Any]:
    name = f"{operation.method.lower()}{operation.template}"
    reply = named[operation.reply] if operation.reply else {}
    content = {operation.content: {"schema": reply}}
    if operation.streams and operation.content == JSON:
        content[EVENTS] = {"schema": {}}
    told: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"\W+", "_", name).strip("_"),
        "parameters": _parameters(operation),
        "responses": {
            "200": {"description": operation.summary, "content": content},
            "default": {
                "description": "The error: what was wrong, where, and what to do.",
                "content": {JSON: {"schema": named[ErrorBody]}},
            },
        },
    }
    if operation.body is not None:
        schema = {"schema": named[operation.body]}
        told["requestBody"] = {"required": True, "content": {operation.takes: schema}}
    return told


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.template)
    ]
    for name, whole in (operation.query or {}).items():
        schema = {"type": "integer", "minimum": whole.low, "maximum": whole.high}
        parts.append({"name": name, "in": "query", "schema": schema})
    return parts


def _supported(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields of any type: they are known in order to be refused."""
    fields = cast("dict[str, Any]", schema.get("properties", {}))
    kept = {name: field for name, field in fields.items() if field != {"default": None}}
    return schema | {"properties": kept} if fields else schema
