"""Which application a request is of: it says so, or else it is its key's or its user's."""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from starlette.types import Scope

from edge_rt.core.errors import RequestError

APP_HEADER = b"x-edge-app"
OTHERS, UNNAMED = "(others)", "(unnamed)"
_MOST = 32  # names beside those with a budget: each takes room in ledger and metrics for good
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Applications:
    """Names the application of each request, of a bounded number.

    What comes in the header is a claim: it has no colon, so that nobody can take the name of a
    user or a key by it, but any client may name any application.
    """

    def __init__(self, configured: Iterable[str] = ()) -> None:
        self._known = set(configured)
        self._most = len(self._known) + _MOST
        self._user = lru_cache(maxsize=64)(_user)

    def of(self, scope: Scope, client: str | None) -> str:
        """Return the application of a request by `client`; raises RequestError."""
        name = _claimed(scope) or self._own(client)
        if name not in self._known and len(self._known) >= self._most:
            return OTHERS
        self._known.add(name)
        return name

    def _own(self, client: str | None) -> str:
        kind, _, number = (client or "").partition(":")
        return self._user(int(number)) if kind == "uid" else client or UNNAMED


def _claimed(scope: Scope) -> str | None:
    """Return what the request says; None: nothing."""
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == APP_HEADER]
    if not given:
        return None
    if len(given) > 1 or not _NAME.fullmatch(given[0]):
        raise RequestError(
            "The header X-Edge-App: expected one name of 1 to 64 letters, digits, dots, hyphens "
            f"and underscores, got {', '.join(given)[:40]!r}.",
            param="X-Edge-App",
        )
    return given[0]


def _user(uid: int) -> str:
    """Return a user by name, or by number where the name is none that a budget could have."""
    with suppress(KeyError):
        if _NAME.fullmatch(name := pwd.getpwuid(uid).pw_name):
            return f"user:{name}"
    return f"user:{uid}"
