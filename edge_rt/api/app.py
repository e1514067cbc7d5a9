"""The whole HTTP side as one ASGI app, and its paths."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.caching import Caching, Nearby
from edge_rt.api.families import (
    app_families,
    board_families,
    cache_families,
    governor_families,
    storage_families,
)
from edge_rt.api.meters import Meters
from edge_rt.api.middleware.access import AccessRules, Authorizer
from edge_rt.api.middleware.applications import Applications
from edge_rt.api.middleware.clients import Clients
from edge_rt.api.middleware.context import BodyQuota, Context, RequestMiddleware, exchange_of
from edge_rt.api.middleware.decode import describe
from edge_rt.api.openapi import Operation
from edge_rt.api.routes import OPERATIONS
from edge_rt.api.service import Service
from edge_rt.config.schema import Config
from edge_rt.core.decoding import CheckerSpec
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.images.decoder import ImageDecoder
from edge_rt.generation.samples.sandbox import Sandbox

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import SemanticCache

_OPENAI = "/v1"


class Path(Route):
    """A path with its operations."""

    def __init__(self, path: str, operations: Sequence[Operation], context: Context) -> None:
        """Serve `operations`, which are all of `path`."""
        super().__init__(path, self.handle, methods=[each.method for each in operations])
        self.template = operations[0].template
        self.open = any(each.right == "open" for each in operations)
        self._context = context
        self._served = {each.method: (each.right, each.app(context)) for each in operations}

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises HTTPException 403 or 405, or Unavailable."""
        method: str = scope["method"]
        right, serve = self._served.get("GET" if method == "HEAD" else method, (None, None))
        if serve is None:
            allowed = ", ".join(sorted(self.methods or ()))
            message = f"{_shown(scope)} is not served: {self.template} takes {allowed}."
            raise HTTPException(405, message, {"allow": allowed})
        exchange = exchange_of(scope)
        exchange.endpoint = self.template
        if right == "administer":
            exchange.rights.check_administer()
        if right != "generate":
            await serve(scope, receive, send)
            return
        exchange.rights.check_generate()
        exchange.app = self._context.applications.of(scope, exchange.client)
        exchange.warnings += self._context.service.warnings()  # what makes answers slow
        with self._context.clients.enter(exchange.client):
            await serve(scope, receive, send)


class PathRouter(Router):
    """The paths of the app."""

    def __init__(self, operations: Sequence[Operation], context: Context) -> None:
        """`operations` are tried in order."""
        grouped: dict[str, list[Operation]] = {}
        for each in operations:
            grouped.setdefault(each.path, []).append(each)
        paths = [Path(path, those, context) for path, those in grouped.items()]
        super().__init__(paths, redirect_slashes=False, default=self._missing)
        self.open = frozenset(path.path for path in paths if path.open)
        self._templates = [path.template for path in paths]
        found = (each for each in self._templates if each.startswith(f"{_OPENAI}/"))
        self._short = {each.removeprefix(_OPENAI).split("/")[1] for each in found}

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path.startswith("/") and path.split("/")[1] in self._short:
            scope["path"] = f"{_OPENAI}{path}"
        await super().__call__(scope, receive, send)

    async def _missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise HTTPException 404 with what is served."""
        if scope["type"] != "http":
            await self.not_found(scope, receive, send)
            return
        path: str = scope["path"]
        group = next((each for each in ("/api/", "/edge/") if path.startswith(each)), "/v1/")
        served = ", ".join(each for each in self._templates if each.startswith(group))
        message = f"{_shown(scope)} is not served. Below {group} there is {served};"
        raise HTTPException(404, f"{message} GET /openapi.json describes all.")


def _shown(scope: Scope) -> str:
    return f"{scope['method']} {describe(scope['path'])[1:-1]}"


def create_app(
    service: Service,
    config: Config,
    *,
    version: str,
    api_key_sha256: Sequence[str] = (),
    admin_key_sha256: Sequence[str] = (),
    access: AccessRules | None = None,
    cache: ExactCache | None = None,
    semantic: SemanticCache | None = None,
    draw: Callable[[], float] = random.random,
    sandbox: Sandbox | None = None,
    images: ImageDecoder | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    new_id: Callable[[], str] = lambda: secrets.token_hex(12),
    ending: asyncio.Event | None = None,
) -> ASGIApp:
    """Return the app over `service`, for the Unix socket and the TCP listener alike.

    `api_key_sha256` are hashes in hex of the keys that open TCP, and `admin_key_sha256` those
    among them that may also administrate; each request is held against the present ones. The
    Unix socket needs no key. `access` are the socket's rights by user; None: all users may do
    everything. `cache` keeps answers; None: nothing does. `semantic` finds those to questions that
    mean the same, and `draw` gives a number from 0 to 1 for each of these. `sandbox` runs the
    programs that judge samples, and `images` decodes those of requests.
    `clock` gives Unix seconds, `monotonic` seconds, `new_id` the unique part of an answer's id.
    `ending` is set when streams without an end of their own are to end.
    """
    requests, origins, meters, nearby = config.requests, config.tcp.origins, Meters(), None
    if semantic is not None:
        model = config.cache.semantic.model or "default"
        nearby = Nearby(semantic, model, service, meters, draw)
    caching = Caching(
        cache,
        clock,
        per_client=config.cache.per_client,
        nearby=nearby,
        simulated=service.simulated,
    )
    clients = Clients(requests.per_client, requests.per_minute, monotonic)
    for what, families in (
        ("the board", lambda: board_families(service.board())),
        ("the governor", lambda: governor_families(service.budget())),
        ("the cache", lambda: cache_families(caching)),
        ("the applications", lambda: app_families(service.energy_meter)),
        ("the disk", lambda: storage_families(service.storage())),
    ):
        meters.show(what, families)
    context = Context(
        service,
        requests,
        version,
        meters,
        caching,
        clients,
        Applications(config.applications),
        {
            name: CheckerSpec(name, tuple(one.command), one.timeout_s, one.memory_bytes)
            for name, one in config.checks.items()
        },
        config.checkers,
        sandbox or Sandbox(),
        images or ImageDecoder(config.images),
        clock,
        monotonic,
        new_id,
        ending or asyncio.Event(),
    )
    router = PathRouter(OPERATIONS, context)
    guard = Authorizer(api_key_sha256, admin_key_sha256, access, origins, router.open)
    # One body always fits, however large it may be.
    held = max(requests.bodies_bytes, requests.body_bytes)
    intake = BodyQuota(held)
    app = RequestMiddleware(router, guard=guard, intake=intake, meters=meters, monotonic=monotonic)
    if not origins:
        return app
    return CORSMiddleware(  # pages of `origins` may read the answers
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "X-Edge-Model", "X-Edge-Warning", "Retry-After"],
    )
