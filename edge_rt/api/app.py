"""The whole HTTP side as one ASGI app, and its routes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.caching import Caching, Nearby
from edge_rt.api.edge import cache as caches
from edge_rt.api.edge import state
from edge_rt.api.edge.classify import Classify
from edge_rt.api.edge.infer import Infer
from edge_rt.api.edge.marking import Marking
from edge_rt.api.families import (
    board_families,
    cache_families,
    governor_families,
    marking_families,
    storage_families,
)
from edge_rt.api.meters import Meters
from edge_rt.api.middleware.access import AccessRules, Authorizer
from edge_rt.api.middleware.clients import Clients
from edge_rt.api.middleware.context import (
    BodyQuota,
    Context,
    Endpoint,
    RequestMiddleware,
)
from edge_rt.api.middleware.decode import describe
from edge_rt.api.ollama import models as ollama
from edge_rt.api.ollama.bodies import OllamaChatRequest, OllamaGenerateRequest
from edge_rt.api.ollama.embeddings import OllamaEmbed, OllamaEmbeddings
from edge_rt.api.ollama.generation import NEVER, OllamaGeneration
from edge_rt.api.ollama.pull import OllamaPull
from edge_rt.api.openai.chat import ChatCompletions
from edge_rt.api.openai.completions import Completions
from edge_rt.api.openai.embeddings import Embeddings, Rerank
from edge_rt.api.openai.models import models, one_model
from edge_rt.api.openai.tokens import DetokenizeEndpoint, TokenizeEndpoint
from edge_rt.api.openapi import OpenApi
from edge_rt.api.page import BELOW, NAMES, Events, PageFile, Root
from edge_rt.api.responses import Responses, kept
from edge_rt.api.service import Service
from edge_rt.config.schema import Requests
from edge_rt.core.decoding import CheckerSpec
from edge_rt.core.errors import closest
from edge_rt.generation.cache.exact import ExactCache

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import SemanticCache
    from edge_rt.telemetry import RequestSpan

_OPENAI = "/v1"
_NEAR = 0.75  # how much of a path a served one must share to be what was meant


class NamedRoute(Route):
    """A route that says which methods it has, and whether it is open to who has no key."""

    open = False

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises HTTPException 405 for other methods."""
        methods = self.methods or ()
        if scope["method"] in methods:
            await self.app(scope, receive, send)
            return
        allowed = ", ".join(sorted(methods))
        message = f"{_shown(scope)} is not served: {template_of(self)} takes {allowed}."
        raise HTTPException(405, message, {"allow": allowed})


class PathRouter(Router):
    """The routes of the app."""

    def __init__(self, routes: Sequence[NamedRoute]) -> None:
        """`routes` are tried in order."""
        super().__init__(routes, redirect_slashes=False, default=self._missing)
        self._templates = [template_of(route) for route in routes]
        found = (each for each in self._templates if each.startswith(f"{_OPENAI}/"))
        self._short = {each.removeprefix(_OPENAI).split("/")[1] for each in found}

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path.startswith("/") and path.split("/")[1] in self._short:
            scope["path"] = f"{_OPENAI}{path}"
        await super().__call__(scope, receive, send)

    async def _missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise HTTPException 404 with the nearest path, and what is served."""
        if scope["type"] != "http":
            await self.not_found(scope, receive, send)
            return
        path: str = scope["path"]
        near = self._nearest(path[:128])
        meant = "" if near is None else f" Did you mean {near}?"
        group = next((each for each in ("/api/", "/edge/") if path.startswith(each)), "/v1/")
        served = ", ".join(each for each in self._templates if each.startswith(group))
        message = f"{_shown(scope)} is not served.{meant} Below {group} there is {served};"
        raise HTTPException(404, f"{message} GET /openapi.json describes all.")

    def _nearest(self, path: str) -> str | None:
        """Return the served path that was meant, by its beginning, its end or its letters."""
        longer = [each for each in self._templates if each.startswith(f"{path.rstrip('/')}/")]
        ends = [each for each in self._templates if path.endswith(each.removeprefix(_OPENAI))]
        close = closest(path, self._templates, _NEAR)
        meant = [*(longer if path.count("/") > 1 else ()), *ends, close or "/"]
        return next((each for each in meant if each != "/"), None)


def template_of(route: Route) -> str:
    """Return the path of a route, with the names of its parameters."""
    return route.path.replace(":path", "")


def _shown(scope: Scope) -> str:
    return f"{scope['method']} {describe(scope['path'])[1:-1]}"


def create_app(
    service: Service,
    *,
    requests: Requests,
    version: str,
    api_key_sha256: Sequence[str] = (),
    admin_key_sha256: Sequence[str] = (),
    origins: Sequence[str] = (),
    access: AccessRules | None = None,
    cache: ExactCache | None = None,
    per_client: bool = False,
    semantic: SemanticCache | None = None,
    embedding: str = "default",
    checkers: Mapping[str, CheckerSpec] | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: secrets.token_hex(12),
    ending: asyncio.Event | None = None,
    trace: Callable[[RequestSpan], object] | None = None,
) -> ASGIApp:
    """The app over `service`, for the Unix socket and the TCP listener alike.

    `api_key_sha256` are hashes in hex of the keys that open TCP, and `admin_key_sha256` those
    among them that may also administrate; each request is held against the present ones. The
    Unix socket needs no key. `origins` are web pages of other hosts that browsers may let use TCP.
    `access` are the socket's rights by user; None: all users may do everything.
    `cache` keeps answers, with `per_client` for whom they were made alone; None: nothing does.
    `semantic` finds those to questions that mean the same, by the model `embedding`. `checkers` are
    the programs that `edge.check` may name.
    `clock` gives Unix seconds, `monotonic` seconds, `new_id` the unique part of an answer's id.
    `ending` is set when streams without an end of their own are to end. `trace` takes each request
    that models worked for, once it has ended.
    """
    meters = Meters()
    nearby = None if semantic is None else Nearby(semantic, embedding, service, meters)
    caching = Caching(
        cache, clock, per_client=per_client, nearby=nearby, simulated=service.simulated
    )
    marking = Marking(service.mark, monotonic)
    clients = Clients(requests.per_client, requests.per_minute, monotonic)
    for what, families in (
        ("the board", lambda: board_families(service.board())),
        ("the governor", lambda: governor_families(service.budget())),
        ("the cache", lambda: cache_families(caching)),
        ("the marks", lambda: marking_families(marking)),
        ("the disk", lambda: storage_families(service.storage())),
    ):
        meters.show(what, families)
    context = Context(
        service,
        requests,
        version,
        meters,
        caching,
        marking,
        clients,
        checkers or {},
        clock,
        monotonic,
        new_id,
    )
    routes = _routes(context, ending or asyncio.Event())
    router = PathRouter(routes)
    open = frozenset(route.path for route in routes if route.open)
    guard = Authorizer(api_key_sha256, admin_key_sha256, access, origins, open)
    # One body always fits, however large it may be.
    held = max(requests.bodies_bytes, requests.body_bytes, requests.tensor_bytes)
    intake = BodyQuota(held)
    ended = None
    if trace is not None:
        from edge_rt.api.tracing import Tracing  # few daemons send traces

        ended = Tracing(trace, clock, monotonic).ended
    app = RequestMiddleware(
        router,
        guard=guard,
        intake=intake,
        meters=meters,
        monotonic=monotonic,
        ended=ended,
    )
    return _for_browsers(app, origins) if origins else app


def _for_browsers(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of `origins` read the answers of `app`."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "X-Edge-Model", "X-Edge-Warning", "Retry-After"],
    )


def _routes(context: Context, ending: asyncio.Event) -> list[NamedRoute]:
    """The routes, busiest first: they are tried in order."""

    def route(
        methods: str,
        path: str,
        endpoint: ASGIApp,
        right: Literal["generate", "administer"] | None = None,
        *,
        open: bool = False,
    ) -> NamedRoute:
        name = path.replace(":path", "")
        served = Endpoint(context, name, endpoint, right)
        made = NamedRoute(path, served, methods=methods.split(","))
        made.open = open
        return made

    def of(serve: Callable[[Context, Scope, Receive, Send], Awaitable[None]]) -> ASGIApp:
        return partial(serve, context)

    return [
        route("POST", "/v1/chat/completions", ChatCompletions(context), "generate"),
        route("POST", "/v1/completions", Completions(context), "generate"),
        route("POST", "/v1/responses", Responses(context), "generate"),
        route("POST", "/v1/embeddings", Embeddings(context), "generate"),
        route("POST", "/v1/rerank", Rerank(context), "generate"),
        route("POST", "/tokenize", TokenizeEndpoint(context), "generate"),
        route("POST", "/detokenize", DetokenizeEndpoint(context), "generate"),
        route("POST", "/edge/v1/classify", Classify(context), "generate"),
        route("POST", "/edge/v1/infer", Infer(context), "generate"),
        route("POST", "/api/chat", OllamaGeneration(context, OllamaChatRequest), "generate"),
        route(
            "POST",
            "/api/generate",
            OllamaGeneration(context, OllamaGenerateRequest, NEVER),
            "generate",
        ),
        route("POST", "/api/embed", OllamaEmbed(context), "generate"),
        route("POST", "/api/embeddings", OllamaEmbeddings(context), "generate"),
        route("GET", "/api/tags", of(ollama.tags)),
        route("GET", "/api/ps", of(ollama.ps)),
        route("GET", "/api/version", of(ollama.version)),
        route("POST", "/api/show", of(ollama.show)),
        route("POST", "/api/pull", OllamaPull(context)),
        *(
            route(method, path, of(ollama.refused(advice)))
            for (method, path), advice in ollama.REFUSED.items()
        ),
        # The page needs no key so that it can ask for one, nor does a monitor.
        route("GET", "/", Root(of(ollama.running)), open=True),
        *(route("GET", f"{BELOW}{name}", PageFile(name), open=True) for name in NAMES),
        route("GET", "/health", of(state.health), open=True),
        route("GET", "/metrics", of(state.metrics)),
        route("GET", "/openapi.json", OpenApi(context)),
        route("GET", "/edge/v1/status", of(state.status)),
        route("GET", "/edge/v1/board", of(state.board)),
        route("GET", "/edge/v1/ledger", of(state.ledger)),
        route("GET,PUT", "/edge/v1/budget", of(state.budget), "administer"),
        route("GET", "/edge/v1/history", of(state.history)),
        route("GET", "/edge/v1/events", Events(context, ending)),
        route("POST", "/edge/v1/plan", of(state.plan), "generate"),
        route("GET", "/edge/v1/cache", of(caches.cache)),
        route("POST", "/edge/v1/cache/purge", of(caches.purge), "administer"),
        route("POST", "/edge/v1/feedback", of(state.feedback), "generate"),
        route("GET", "/edge/v1/router", of(state.router)),
        route("POST", "/edge/v1/router/reset", of(state.router_reset), "administer"),
        route("GET", "/edge/v1/trace/{id}", of(state.trace)),
        route("POST", "/edge/v1/calibrate", of(state.calibrate), "administer"),
        route("GET", "/edge/v1/calibration", of(state.calibration)),
        route("GET", "/v1/models", of(models)),
        route("GET", "/v1/models/{id:path}", of(one_model)),
        route("GET,DELETE", "/v1/responses/{id:path}", of(kept)),
    ]
