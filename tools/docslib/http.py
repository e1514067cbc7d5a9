"""The references of the HTTP API and of the commands' documents, made from their types."""

from __future__ import annotations

from collections.abc import Iterator

from docslib.fields import documents, structs
from docslib.markdown import code, page, table
from edge_rt.api.middleware.respond import ErrorBody, PlainError
from edge_rt.api.openapi import Operation
from edge_rt.api.routes import OPERATIONS
from edge_rt.config.board import Board, Cluster, PowerMode, Rail, Zone
from edge_rt.models.catalogue import CatalogueEntry
from edge_rt.models.formats.card import EmbeddingCard, LanguageModelCard
from edge_rt.models.pair import Pair

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
_BOARD = """\
A file `ID.yaml` in `boards.d`; see [Describe a board of your own](../how-to/own-board.md). With
`extends` it holds only what differs from another profile. Every record with figures has a `source`:
ids of the file `sources.yaml` beside it."""
_CATALOGUE = """\
A file that `models.catalogue` names. It has lists `models` of [CatalogueEntry](#catalogueentry) and
`pairs` of [Pair](#pair); see [Manage models](../how-to/models.md#a-catalogue-of-your-own) and
[Answer with two models](../how-to/two-models.md#pairs)."""
_CARD = """\
`model.json` in the folder of an ONNX model. Its field `kind` is `language` or
`embedding`."""
_DOCUMENTS = "The configuration has a [page of its own](configuration.md). Unknown keys are errors."


def http() -> str:
    """Return the page: an overview, each operation, and the types of the documents."""
    rows = [(f"{code(each.method)} {code(each.template)}", each.summary) for each in OPERATIONS]
    blocks = [_ABOUT, table(("Request", "Meaning"), rows), "## Errors", _ERRORS, "## Operations"]
    for each in OPERATIONS:
        blocks += [f"### {each.method} {each.template}", *_operation(each)]
    roots = [one for each in OPERATIONS for one in (each.body, each.reply) if one]
    found = sorted(structs([*roots, ErrorBody, PlainError]), key=lambda each: each.__name__)
    return page("HTTP API", *blocks, "## Documents", *documents(found))


def _operation(operation: Operation) -> Iterator[str]:
    yield operation.summary
    if operation.query:
        each = (f"`{name}` ({one.low} to {one.high})" for name, one in operation.query.items())
        yield f"Query: {', '.join(each)}."
    if operation.body is not None:
        yield f"Body: {_link(operation.body)}."
    if operation.reply is not None:
        stream = ", or a stream of events" if operation.streams else ""
        yield f"Reply: {_link(operation.reply)}{stream}."


def _link(struct: type) -> str:
    return f"[{struct.__name__}](#{struct.__name__.lower()})"


def formats() -> str:
    """Return the page."""
    cards = [LanguageModelCard, EmbeddingCard]
    catalogue = [each for each in structs([CatalogueEntry, Pair]) if each not in cards]
    return page(
        "File formats",
        _DOCUMENTS,
        *("## Board profile", _BOARD, *documents(structs([Board, Cluster, PowerMode, Rail, Zone]))),
        *("## Catalogue", _CATALOGUE, *documents(catalogue)),
        *("## Model card", _CARD, *documents(cards)),
    )
