"""Every operation of the API, busiest paths first: they are tried in order."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from starlette.types import Receive, Scope, Send

from edge_rt.api.anthropic import CountMessageTokens, Messages
from edge_rt.api.anthropic.bodies import CountMessageTokensRequest, MessagesRequest
from edge_rt.api.anthropic.documents import MessagesAnswer, TokenCount
from edge_rt.api.edge import cache, state
from edge_rt.api.middleware.context import Context
from edge_rt.api.ollama import models as ollama
from edge_rt.api.ollama.answers import OllamaChatAnswer, OllamaText
from edge_rt.api.ollama.bodies import OllamaChatRequest, OllamaGenerateRequest
from edge_rt.api.ollama.embeddings import (
    OllamaEmbed,
    OllamaEmbedded,
    OllamaEmbedding,
    OllamaEmbeddings,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
)
from edge_rt.api.ollama.generation import OllamaChat, OllamaGenerate
from edge_rt.api.openai.answers import TextCompletion
from edge_rt.api.openai.chat import ChatCompletions, ChatRequest
from edge_rt.api.openai.chat_answers import ChatCompletion
from edge_rt.api.openai.completions import Completions, CompletionsRequest
from edge_rt.api.openai.embeddings import (
    EmbeddingList,
    Embeddings,
    EmbeddingsRequest,
    RankedList,
    Rerank,
    RerankRequest,
)
from edge_rt.api.openai.models import Model, ModelList, models, one_model
from edge_rt.api.openai.speech import (
    Speeches,
    SpeechRequest,
    Transcription,
    TranscriptionRequest,
    Transcriptions,
    Translations,
)
from edge_rt.api.openai.tokens import (
    DetokenizedText,
    DetokenizeEndpoint,
    DetokenizeRequest,
    TokenizedText,
    TokenizeEndpoint,
    TokenizeRequest,
)
from edge_rt.api.openapi import EVENTS, FORM, Operation, openapi
from edge_rt.api.page import BELOW, MEDIA_TYPES, Events, page_file, root
from edge_rt.api.page.snapshot import PageSnapshot
from edge_rt.api.responses import Responses, kept
from edge_rt.api.responses.bodies import ResponsesRequest
from edge_rt.api.responses.documents import ResponsesAnswer
from edge_rt.core.reports.board import BoardReport, LedgerReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState, Past
from edge_rt.core.reports.load import LoadReport
from edge_rt.core.reports.planning import (
    Calibrated,
    CalibrateRequest,
    PlanReport,
    Progress,
)
from edge_rt.core.trace import Trace

_GET, _POST = partial(Operation, "GET"), partial(Operation, "POST")
_PUT = partial(Operation, "PUT", right="administer")
_USE = partial(_POST, right="generate")  # use models
_CHANGE = partial(_POST, right="administer")  # change what counts for all
_OPEN = partial(_GET, right="open")
_TEXT = "text/plain"
_KEPT, _NOT_KEPT = "/v1/responses/{id:path}", "Refused: answers are not kept."


def _openapi(context: Context, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Return this document."""
    return openapi(context, OPERATIONS, send)


OPERATIONS = (
    _USE("/v1/chat/completions", ChatCompletions, ChatRequest, ChatCompletion, streams=True),
    _USE("/v1/completions", Completions, CompletionsRequest, TextCompletion, streams=True),
    _USE("/v1/responses", Responses, ResponsesRequest, ResponsesAnswer, streams=True),
    _USE("/v1/messages", Messages, MessagesRequest, MessagesAnswer, streams=True),
    _USE("/v1/messages/count_tokens", CountMessageTokens, CountMessageTokensRequest, TokenCount),
    _USE("/v1/embeddings", Embeddings, EmbeddingsRequest, EmbeddingList),
    _USE("/v1/rerank", Rerank, RerankRequest, RankedList),
    _USE(
        "/v1/audio/transcriptions",
        Transcriptions,
        TranscriptionRequest,
        Transcription,
        takes=FORM,
        streams=True,
    ),
    _USE("/v1/audio/translations", Translations, TranscriptionRequest, Transcription, takes=FORM),
    _USE("/v1/audio/speech", Speeches, SpeechRequest, content="audio/*"),
    _USE("/tokenize", TokenizeEndpoint, TokenizeRequest, TokenizedText),
    _USE("/detokenize", DetokenizeEndpoint, DetokenizeRequest, DetokenizedText),
    _USE("/api/chat", OllamaChat, OllamaChatRequest, OllamaChatAnswer),
    _USE("/api/generate", OllamaGenerate, OllamaGenerateRequest, OllamaText),
    _USE("/api/embed", OllamaEmbed, OllamaEmbedRequest, OllamaEmbedded),
    _USE("/api/embeddings", OllamaEmbeddings, OllamaEmbeddingsRequest, OllamaEmbedding),
    _GET("/api/tags", ollama.tags, reply=ollama.OllamaModels),
    _GET("/api/ps", ollama.ps, reply=ollama.OllamaLoadedModels),
    _GET("/api/version", ollama.version, reply=ollama.OllamaVersion),
    _POST("/api/show", ollama.show, ollama.OllamaShowRequest, ollama.OllamaShown),
    _POST("/api/pull", ollama.pull, ollama.OllamaPullRequest, ollama.OllamaPulled, streams=True),
    *(
        Operation(method, path, partial(ollama.refuse, advice), said=f"Refused: {advice}.")
        for (method, path), advice in ollama.REFUSED.items()
    ),
    # The page needs no key so that it can ask for one, nor does a monitor.
    _OPEN("/", root, content=_TEXT),
    *(
        _OPEN(f"{BELOW}{name}", partial(page_file, name), content=kind, said="A file of that page.")
        for name, kind in MEDIA_TYPES.items()
    ),
    _OPEN("/health", state.health),
    _GET("/metrics", state.metrics, content=_TEXT),
    _GET("/openapi.json", _openapi),
    _GET("/edge/v1/status", state.status),
    _GET("/edge/v1/load", state.load, reply=LoadReport),
    _GET("/edge/v1/board", state.board, reply=BoardReport),
    _GET("/edge/v1/ledger", state.ledger, reply=LedgerReport, query=state.LEDGER),
    _GET("/edge/v1/budget", state.budget, reply=GovernorState),
    _PUT("/edge/v1/budget", state.set_budget, BudgetChange, GovernorState),
    _GET("/edge/v1/history", state.history, reply=Past, query=state.HISTORY),
    _GET("/edge/v1/events", Events, reply=PageSnapshot, content=EVENTS),
    _USE("/edge/v1/plan", state.plan, state.PlanRequest, PlanReport, streams=True),
    _GET("/edge/v1/trace/{id}", state.trace, reply=Trace),
    _GET("/edge/v1/cache", cache.cache, reply=cache.CacheReport),
    _CHANGE("/edge/v1/cache/purge", cache.purge, cache.Purge, cache.Purged),
    _CHANGE("/edge/v1/calibrate", state.calibrate, CalibrateRequest, Progress, content=EVENTS),
    _GET("/edge/v1/calibration", state.calibration, reply=Calibrated),
    _GET("/v1/models", models, reply=ModelList),
    _GET("/v1/models/{id:path}", one_model, reply=Model),
    *(Operation(method, _KEPT, kept, said=_NOT_KEPT) for method in ("GET", "DELETE")),
)
