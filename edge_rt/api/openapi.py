"""GET /openapi.json: the routes and their documents, as OpenAPI describes them.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.edge.cache import CacheReport, Purge, Purged
from edge_rt.api.edge.classify import ClassificationList, ClassifyRequest
from edge_rt.api.edge.infer import InferAnswer, InferRequest
from edge_rt.api.edge.marking import Marked
from edge_rt.api.edge.state import Feedback, PlanRequest, Reset
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.respond import ErrorBody, send_bytes
from edge_rt.api.ollama.answers import OllamaChatAnswer, OllamaText
from edge_rt.api.ollama.bodies import OllamaChatRequest, OllamaGenerateRequest
from edge_rt.api.ollama.embeddings import (
    OllamaEmbedded,
    OllamaEmbedding,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
)
from edge_rt.api.ollama.models import (
    REFUSED,
    OllamaLoadedModels,
    OllamaModels,
    OllamaShown,
    OllamaShowRequest,
    OllamaVersion,
)
from edge_rt.api.ollama.pull import OllamaPulled, OllamaPullRequest
from edge_rt.api.openai.answers import TextCompletion
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.chat_answers import ChatCompletion
from edge_rt.api.openai.completions import CompletionsRequest
from edge_rt.api.openai.embeddings import (
    EmbeddingList,
    EmbeddingsRequest,
    RankedList,
    RerankRequest,
)
from edge_rt.api.openai.models import Model, ModelList
from edge_rt.api.openai.tokens import (
    DetokenizedText,
    DetokenizeRequest,
    TokenizedText,
    TokenizeRequest,
)
from edge_rt.api.page import BELOW, NAMES, media_type
from edge_rt.api.page.snapshot import PageSnapshot
from edge_rt.api.responses.bodies import ResponsesRequest
from edge_rt.api.responses.documents import ResponsesAnswer
from edge_rt.core.reports.board import BoardReport, LedgerReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState, Past
from edge_rt.core.reports.planning import (
    Calibrated,
    CalibrateRequest,
    PlanReport,
    Progress,
    RouterReport,
)
from edge_rt.core.trace import Trace
from edge_rt.routing.feedback import MarkFilter

JSON, EVENTS = "application/json", "text/event-stream"
Struct = type[msgspec.Struct]


@dataclass(frozen=True)
class Operation:
    """One method of one path: what it does, what it takes and what it answers with.

    `reply` None is a document without a schema. `query` has the smallest and largest whole number
    of each parameter.
    """

    summary: str
    body: Struct | None = None
    reply: Struct | None = None
    query: Mapping[str, tuple[int, int]] | None = None
    streams: bool = False  # the reply may be or is a stream of events
    content: str = JSON


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/chat/completions"): Operation(
        "Continue a conversation.", ChatRequest, ChatCompletion, streams=True
    ),
    ("POST", "/v1/completions"): Operation(
        "Continue one or several texts.", CompletionsRequest, TextCompletion, streams=True
    ),
    ("POST", "/v1/responses"): Operation(
        "Continue a conversation, which is not kept.",
        ResponsesRequest,
        ResponsesAnswer,
        streams=True,
    ),
    **{
        (method, "/v1/responses/{id}"): Operation("Refused: answers are not kept.")
        for method in ("GET", "DELETE")
    },
    ("POST", "/v1/embeddings"): Operation(
        "Give each text a vector.", EmbeddingsRequest, EmbeddingList
    ),
    ("POST", "/v1/rerank"): Operation(
        "Order documents by how well they fit a question.", RerankRequest, RankedList
    ),
    ("POST", "/tokenize"): Operation(
        "Cut a text into tokens, as llama.cpp's server and vLLM do.", TokenizeRequest, TokenizedText
    ),
    ("POST", "/detokenize"): Operation(
        "Write tokens out as text.", DetokenizeRequest, DetokenizedText
    ),
    ("POST", "/api/chat"): Operation(
        "Continue a conversation, as Ollama does; streams lines of JSON unless `stream` is false.",
        OllamaChatRequest,
        OllamaChatAnswer,
    ),
    ("POST", "/api/generate"): Operation(
        "Answer a prompt, as Ollama does; streams as /api/chat.",
        OllamaGenerateRequest,
        OllamaText,
    ),
    ("POST", "/api/embed"): Operation(
        "Give each text a vector, as Ollama does.", OllamaEmbedRequest, OllamaEmbedded
    ),
    ("POST", "/api/embeddings"): Operation(
        "Give one text a vector, as older clients of Ollama ask.",
        OllamaEmbeddingsRequest,
        OllamaEmbedding,
    ),
    ("GET", "/api/tags"): Operation("List the models that Ollama's API uses.", reply=OllamaModels),
    ("GET", "/api/ps"): Operation("List the models in memory.", reply=OllamaLoadedModels),
    ("GET", "/api/version"): Operation(
        "Tell the version of Ollama whose API is spoken.", reply=OllamaVersion
    ),
    ("POST", "/api/show"): Operation(
        "Describe one model, as Ollama does.", OllamaShowRequest, OllamaShown
    ),
    ("POST", "/api/pull"): Operation(
        "Fetch a model of the catalogue (administers); streams as /api/chat.",
        OllamaPullRequest,
        OllamaPulled,
    ),
    **{route: Operation(f"Refused: {advice}.") for route, advice in REFUSED.items()},
    ("GET", "/"): Operation(
        "Say that Ollama's API is there; browsers get the page for people.", content="text/plain"
    ),
    **{
        ("GET", f"{BELOW}{name}"): Operation("A file of that page.", content=media_type(name))
        for name in NAMES
    },
    ("GET", "/v1/models"): Operation("List the models in the store.", reply=ModelList),
    ("GET", "/v1/models/{id}"): Operation("Describe one model.", reply=Model),
    ("POST", "/edge/v1/classify"): Operation(
        "Score texts against labels.", ClassifyRequest, ClassificationList
    ),
    ("POST", "/edge/v1/infer"): Operation(
        "Run a model on named tensors; .npy and .npz bodies are taken too.",
        InferRequest,
        InferAnswer,
    ),
    ("GET", "/health"): Operation("Prove that an answer can be made, else 503."),
    ("GET", "/metrics"): Operation("Show the metrics to Prometheus.", content="text/plain"),
    ("GET", "/openapi.json"): Operation("Return this document."),
    ("GET", "/edge/v1/status"): Operation("Show the state of the daemon, engine and models."),
    ("GET", "/edge/v1/board"): Operation(
        "Show every rail, zone, clock and flag of the board.", reply=BoardReport
    ),
    ("GET", "/edge/v1/ledger"): Operation(
        "Show joules by day and model, and of the last requests.",
        reply=LedgerReport,
        query={"days": (1, 3650), "last": (0, 1000)},
    ),
    ("GET", "/edge/v1/budget"): Operation(
        "Show the budget, the limits in force, and why.", reply=GovernorState
    ),
    ("PUT", "/edge/v1/budget"): Operation(
        "Change the budget until the daemon ends (administers).", BudgetChange, GovernorState
    ),
    ("GET", "/edge/v1/history"): Operation(
        "Show power, heat, limits and requests of the last seconds.",
        reply=Past,
        query={"since": (1, 86_400)},
    ),
    ("GET", "/edge/v1/events"): Operation(
        "Stream what the page shows: `hello` with the client's rights, then a snapshot at once and "
        "every two seconds.",
        reply=PageSnapshot,
        content=EVENTS,
    ),
    ("POST", "/edge/v1/plan"): Operation(
        "Predict seconds, joules and degrees of an answer; with `run`, run each candidate too.",
        PlanRequest,
        PlanReport,
        streams=True,
    ),
    ("GET", "/edge/v1/trace/{id}"): Operation(
        "Explain the choice of model for an answer.", reply=Trace
    ),
    ("POST", "/edge/v1/feedback"): Operation("Mark an answer as good or bad.", Feedback, Marked),
    ("GET", "/edge/v1/router"): Operation("Show the marks of answers.", reply=RouterReport),
    ("POST", "/edge/v1/router/reset"): Operation(
        "Forget marks of answers (administers).", MarkFilter, Reset
    ),
    ("GET", "/edge/v1/cache"): Operation("Show what is cached.", reply=CacheReport),
    ("POST", "/edge/v1/cache/purge"): Operation(
        "Forget cached answers and prompt prefixes (administers).", Purge, Purged
    ),
    ("POST", "/edge/v1/calibrate"): Operation(
        "Calibrate board and models; the reply tells the progress (administers).",
        CalibrateRequest,
        Progress,
        streams=True,
        content=EVENTS,
    ),
    ("GET", "/edge/v1/calibration"): Operation("Show the last calibration.", reply=Calibrated),
}


class OpenApi:
    """Serves the document, which is made for the first request."""

    def __init__(self, context: Context) -> None:
        self._version = context.version
        self._encoded: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._encoded is None:  # in a thread, since it takes a tenth of a second
            self._encoded = await asyncio.to_thread(_encoded, self._version)
        await send_bytes(send, self._encoded, headers=((b"content-type", JSON.encode()),))


def _encoded(version: str) -> bytes:
    return msgspec.json.encode(document(version))


def document(version: str) -> dict[str, Any]:
    """Return the OpenAPI document of edge_rt `version`."""
    structs = {one for each in OPERATIONS.values() for one in (each.body, each.reply) if one}
    ordered = sorted({*structs, ErrorBody}, key=lambda struct: struct.__name__)
    found, schemas = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}"
    )
    named = dict(zip(ordered, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, named)
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


def _operation(
    method: str, path: str, operation: Operation, named: Mapping[Struct, dict[str, Any]]
) -> dict[str, Any]:
    reply = named[operation.reply] if operation.reply else {}
    content = {operation.content: {"schema": reply}}
    if operation.streams and operation.content == JSON:
        content[EVENTS] = {"schema": {}}
    told: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "parameters": _parameters(path, operation),
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
        told["requestBody"] = {"required": True, "content": {JSON: schema}}
    return told


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    for name, (low, high) in (operation.query or {}).items():
        schema = {"type": "integer", "minimum": low, "maximum": high}
        parts.append({"name": name, "in": "query", "schema": schema})
    return parts


def _supported(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fields of any type: they are known in order to be refused."""
    fields = cast("dict[str, Any]", schema.get("properties", {}))
    kept = {name: field for name, field in fields.items() if field != {"default": None}}
    return schema | {"properties": kept} if fields else schema
