"""Who may speak to the daemon.

The Unix socket is protected by its file mode, and by whom the configuration lets use models or
administrate. A TCP connection must show an API key, or, when none is configured, come from a
program on this machine and not from a web page: a page can reach loopback through a name that it
makes resolve there (the Host header then holds that name) or by a plain cross-site request (the
Origin header then holds the page's site). TCP administrates only with a key that may.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import Scope

from edge_rt.api.middleware.access import ALL, Access, Peer, Rights

PEER = "peer_uid"
"""In the state of a scope, who is at the other end of a Unix socket, where the server knows."""

PEER_GROUPS = "peer_groups"
"""There as well, the numbers of that user's groups."""


class Caller(NamedTuple):
    """Who asks: "uid:1000", "key:" and the begin of a key's hash, None where nothing tells."""

    client: str | None
    rights: Rights


class Authorizer:
    """Checks every request before anything else does; holds hashes of keys, never keys."""

    def __init__(
        self,
        api_key_sha256: Sequence[str],
        admin_key_sha256: Sequence[str] = (),
        access: Access | None = None,
    ) -> None:
        """Hashes count as they are when a request comes; those of `admin_key_sha256` are among
        the others. `access` is that of the Unix socket; None: everybody may do everything.
        """
        self._hashes, self._admins, self._access = api_key_sha256, admin_key_sha256, access

    def check(self, scope: Scope) -> Caller:
        """Who asks, and what they may do.

        Raises HTTPException 400, 401 or 403 when the request may not be served.
        """
        _check_framing(scope)
        if not over_tcp(scope):
            return self._local(scope.get("state", {}))
        if self._hashes:
            given = self._checked_key(_header(scope, b"authorization"))
            client = f"key:{given[:12]}"
            return Caller(client, Rights("this key", True, _among(given, self._admins)))
        _check_local(scope)
        return Caller(None, Rights("a client over TCP without a key", True))

    def _local(self, state: dict[str, object]) -> Caller:
        uid, access = state.get(PEER), self._access
        if not isinstance(uid, int):
            return Caller(None, ALL if access is None else Rights())
        peer = Peer(uid, frozenset(cast("frozenset[int]", state.get(PEER_GROUPS, ()))))
        return Caller(f"uid:{uid}", ALL if access is None else access.rights(peer))

    def _checked_key(self, authorization: str) -> str:
        scheme, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode()).hexdigest()
        if not _among(given, self._hashes) or scheme.lower() != "bearer":
            message = "A valid API key is required: send it as `Authorization: Bearer KEY`."
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        return given


def _among(given: str, hashes: Sequence[str]) -> bool:
    """Without an early exit: the time taken must not tell which of the keys came close."""
    found = [hmac.compare_digest(given, expected) for expected in hashes]
    return any(found)


def over_tcp(scope: Scope) -> bool:
    """True unless the connection is known to have come over a Unix socket.

    A Unix socket's address is (path, None). Where the server does not tell, TCP is assumed, for
    that is the side on which a mistake does no harm.
    """
    server = scope.get("server")
    return server is None or server[1] is not None


def _check_framing(scope: Scope) -> None:
    """Refuse a body of two lengths: a proxy may take the end of it for the next request."""
    names = {name for name, _ in scope["headers"]}
    if {b"transfer-encoding", b"content-length"} <= names:
        message = "Transfer-Encoding and Content-Length exclude each other: send one of them."
        raise HTTPException(400, message, {"connection": "close"})


def _check_local(scope: Scope) -> None:
    host = _header(scope, b"host")
    if not _is_loopback(f"//{host}"):
        message = f"Without an API key only loopback is served, but Host is {host!r}."
        raise HTTPException(403, message)
    origin = _header(scope, b"origin")
    if origin and not _is_loopback(origin):
        message = f"Without an API key web pages of {origin!r} are not served."
        raise HTTPException(403, message)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""
