"""The reference of the HTTP API, made from the routes and the types of their documents."""

from __future__ import annotations

from collections.abc import Iterator

from docslib.fields import documents, structs
from docslib.markdown import code, page, table
from edge_rt.api.middleware.respond import ErrorBody, PlainError
from edge_rt.api.openapi import OPERATIONS, Operation

_ABOUT = """\
The daemon serves HTTP on its Unix socket, and on TCP where `tcp.listen` says so. The endpoints
below `/v1` speak OpenAI's API, and those below `/api` Ollama's; those below `/edge/v1` are
edge_rt's own. `/v1` may be left out. `GET /openapi.json` returns the same as this page as an
OpenAPI 3.1 document.

Every answer to a request that came whole has `X-Request-Id`: that of the request, if it has up to
128 letters, digits and `. _ : = + / -`, or else a new one.

Over TCP a key is sent as `Authorization: Bearer KEY`. Endpoints that "administer" are for root, the
daemon's own user and those whom [`access.administer`](configuration.md#accessadminister) or
`tcp.admin_key_sha256` name.

An answer with `"stream": true` comes as server-sent events that end with `[DONE]`. Answers that are
not streamed carry the numbers and texts of their `edge` object as headers, too: `X-Edge-Energy-J`
for `energy_j`. `X-Edge-Warning` is a sentence about what makes all answers slow, or about a field
that was ignored."""

_ERRORS = """\
Every error is a JSON document in OpenAI's form, [ErrorBody](#errorbody), below `/api` in Ollama's,
[PlainError](#plainerror). 400: the request cannot be served as it is. 401 and 403: the client may
not. 404: no such path, model, cached answer or trace. 405: the path takes other methods.
413: too large. 429: this client sends too much. 500: the daemon or a model file is at fault.
503: not now. 429 and 503 come with `Retry-After` in seconds."""


def http() -> str:
    """Return the page: an overview, each operation, and the types of the documents."""
    operations = OPERATIONS.items()
    rows = [(f"{code(method)} {code(path)}", each.summary) for (method, path), each in operations]
    blocks = [_ABOUT, table(("Request", "Meaning"), rows), "## Errors", _ERRORS, "## Operations"]
    for (method, path), each in operations:
        blocks += [f"### {method} {path}", *_operation(each)]
    roots = [one for _, each in operations for one in (each.body, each.reply) if one]
    found = sorted(structs([*roots, ErrorBody, PlainError]), key=lambda each: each.__name__)
    return page("HTTP API", *blocks, "## Documents", *documents(found))


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
