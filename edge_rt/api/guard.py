"""Who may speak to the daemon.

The Unix socket is protected by its file mode. A TCP connection must show an API key, or, when
none is configured, come from a program on this machine and not from a web page: a page can reach
loopback through a name that it makes resolve there (the Host header then holds that name) or by a
plain cross-site request (the Origin header then holds the page's site).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import Scope

PEER = "peer_uid"
"""In the state of a scope, who is at the other end of a Unix socket, where the server knows."""


class Guard:
    """Checks every request before anything else does; holds hashes of keys, never keys."""

    def __init__(self, api_key_sha256: Sequence[str]) -> None:
        """`api_key_sha256` counts as it is when a request comes."""
        self._hashes = api_key_sha256

    def check(self, scope: Scope) -> str | None:
        """Who asks: "uid:1000", "key:" and the begin of a key's hash, None where nothing tells.

        Raises HTTPException 401 or 403 when the request may not be served.
        """
        if not over_tcp(scope):
            uid = scope.get("state", {}).get(PEER)
            return None if uid is None else f"uid:{uid}"
        if self._hashes:
            return f"key:{self._checked_key(_header(scope, b'authorization'))[:12]}"
        _check_local(scope)
        return None

    def _checked_key(self, authorization: str) -> str:
        scheme, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode()).hexdigest()
        # No early exit: the time taken must not tell which of the keys came close.
        known = [hmac.compare_digest(given, expected) for expected in self._hashes]
        if scheme.lower() != "bearer" or not any(known):
            message = "A valid API key is required: send it as `Authorization: Bearer KEY`."
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        return given


def over_tcp(scope: Scope) -> bool:
    """True unless the connection is known to have come over a Unix socket.

    A Unix socket's address is (path, None). Where the server does not tell, TCP is assumed, for
    that is the side on which a mistake does no harm.
    """
    server = scope.get("server")
    return server is None or server[1] is not None


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
