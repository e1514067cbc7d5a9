"""The whole HTTP side as one ASGI app."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from edge_rt.api.caching import Caching
from edge_rt.api.edge.cache import Cache, CachePurge
from edge_rt.api.edge.classify import Classify
from edge_rt.api.edge.infer import Infer
from edge_rt.api.edge.marking import Marking
from edge_rt.api.edge.plan import Calibrate, Calibration, Plan
from edge_rt.api.edge.router import GiveFeedback, RouterReset, RouteTrace
from edge_rt.api.edge.router import Router as LearntRouter
from edge_rt.api.edge.state import Board, Budget, Health, History, Ledger, Metrics, Status
from edge_rt.api.families import (
    board_families,
    cache_families,
    governor_families,
    marking_families,
    storage_families,
)
from edge_rt.api.meters import Meters, Scraped
from edge_rt.api.middleware.access import Access, Authorizer
from edge_rt.api.middleware.clients import Clients
from edge_rt.api.middleware.context import BodyQuota, Context
from edge_rt.api.middleware.request_middleware import Administering, Named, RequestMiddleware, Using
from edge_rt.api.nearby import Nearby
from edge_rt.api.openai.chat import ChatCompletions
from edge_rt.api.openai.completions import Completions
from edge_rt.api.openai.embeddings import Embeddings
from edge_rt.api.openai.models import Models, OneModel
from edge_rt.api.openapi import OpenApi
from edge_rt.api.service import Service
from edge_rt.config.schema import Requests
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import SemanticCache


def create_app(
    service: Service,
    *,
    requests: Requests,
    version: str,
    api_key_sha256: Sequence[str] = (),
    admin_key_sha256: Sequence[str] = (),
    access: Access | None = None,
    cache: ExactCache | None = None,
    per_client: bool = False,
    semantic: SemanticCache | None = None,
    embedding: str = "default",
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: secrets.token_hex(12),
) -> ASGIApp:
    """The app over `service`, for the Unix socket and the TCP listener alike.

    `api_key_sha256` are hashes in hex of the keys that open TCP, as they are when a request
    comes, and `admin_key_sha256` those among them that may also administrate; the Unix socket
    needs none. `access` is who may do what over that; None: everybody everything.
    `cache` keeps answers, with `per_client` for whom they were made alone; None: nothing does.
    `semantic` finds those to questions that mean the same, by the model `embedding`.
    `clock` gives Unix seconds, `monotonic` seconds, `new_id` the unique part of an answer's id.
    """
    meters = Meters()
    nearby = None if semantic is None else Nearby(semantic, embedding, service, meters)
    caching = Caching(
        cache, clock, per_client=per_client, nearby=nearby, simulated=service.simulated
    )
    marking = Marking(service, monotonic)
    clients = Clients(requests.per_client, requests.per_minute, monotonic)
    for what, families in (
        ("the board", lambda: board_families(service.board())),
        ("the governor", lambda: governor_families(service.budget())),
        ("the cache", lambda: cache_families(caching)),
        ("the marks", lambda: marking_families(marking)),
        ("the disk", lambda: storage_families(service.storage())),
    ):
        meters.registry.register(Scraped(what, families))
    context = Context(
        service, requests, version, meters, caching, marking, clients, clock, monotonic, new_id
    )
    router = Router(_routes(context), redirect_slashes=False)
    guard = Authorizer(api_key_sha256, admin_key_sha256, access)
    # One body always fits, however large it may be.
    held = max(requests.bodies_bytes, requests.body_bytes, requests.tensor_bytes)
    intake = BodyQuota(held)
    return RequestMiddleware(router, guard=guard, intake=intake, meters=meters, monotonic=monotonic)


def _routes(context: Context) -> list[Route]:
    """The routes, busiest first: they are tried in order."""

    def using(endpoint: ASGIApp) -> ASGIApp:
        return Using(context.clients, endpoint, lambda: context.service.budget().warnings)

    return [
        _route("POST", "/v1/chat/completions", using(ChatCompletions(context))),
        _route("POST", "/v1/completions", using(Completions(context))),
        _route("POST", "/v1/embeddings", using(Embeddings(context))),
        _route("POST", "/edge/v1/classify", using(Classify(context))),
        _route("POST", "/edge/v1/infer", using(Infer(context))),
        _route("GET", "/health", Health(context)),
        _route("GET", "/metrics", Metrics(context)),
        _route("GET", "/openapi.json", OpenApi(context)),
        _route("GET", "/edge/v1/status", Status(context)),
        _route("GET", "/edge/v1/board", Board(context)),
        _route("GET", "/edge/v1/ledger", Ledger(context)),
        _route("GET,PUT", "/edge/v1/budget", Administering(Budget(context))),
        _route("GET", "/edge/v1/history", History(context)),
        _route("POST", "/edge/v1/plan", using(Plan(context))),
        _route("GET", "/edge/v1/cache", Cache(context)),
        _route("POST", "/edge/v1/cache/purge", Administering(CachePurge(context))),
        _route("POST", "/edge/v1/feedback", using(GiveFeedback(context))),
        _route("GET", "/edge/v1/router", LearntRouter(context)),
        _route("POST", "/edge/v1/router/reset", Administering(RouterReset(context))),
        _route("GET", "/edge/v1/trace/{id}", RouteTrace(context)),
        _route("POST", "/edge/v1/calibrate", Administering(Calibrate(context))),
        _route("GET", "/edge/v1/calibration", Calibration(context)),
        _route("GET", "/v1/models", Models(context)),
        _route("GET", "/v1/models/{id:path}", OneModel(context)),
    ]


def _route(methods: str, path: str, endpoint: ASGIApp) -> Route:
    label = path.replace(":path", "")
    return Route(path, Named(label, endpoint), methods=methods.split(","))
