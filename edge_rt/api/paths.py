"""The routes: /v1 may be left out, and a path or method that is not served gets what there is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.middleware.decode import describe

_OPENAI = "/v1"
_NEAR = 0.6  # how much of a path a served one must share to be what was meant


class NamedRoute(Route):
    """A route that says which methods it has."""

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises HTTPException 405 for other methods."""
        methods = sorted(self.methods or ())
        if scope["method"] in methods:
            await self.app(scope, receive, send)
            return
        allowed = ", ".join(methods)
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
        """Serve one request."""
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
        near = difflib.get_close_matches(path[:128], self._templates, 1, _NEAR)
        meant = f" Did you mean {near[0]}?" if near else ""
        group = next((each for each in ("/api/", "/edge/") if path.startswith(each)), "/v1/")
        served = ", ".join(each for each in self._templates if each.startswith(group))
        message = f"{_shown(scope)} is not served.{meant} Below {group} there is {served};"
        raise HTTPException(404, f"{message} GET /openapi.json describes all.")


def template_of(route: Route) -> str:
    """Return the path of a route, with the names of its parameters."""
    return route.path.replace(":path", "")


def _shown(scope: Scope) -> str:
    return f"{scope['method']} {describe(scope['path'])[1:-1]}"
