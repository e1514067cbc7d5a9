"""What a client may do, beyond reading what the daemon says of itself."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

ROOT = 0
_KEYLESS = "a client over TCP without a key"

PEER = "peer_uid"
"""In the state of a scope, who is at the other end of a Unix socket, where the server knows."""

PEER_GROUPS = "peer_groups"
"""There as well, the numbers of that user's groups."""

REFUSED = "refused"
"""There as well, the status with which the server refused a request whose body never was whole."""


@dataclass(frozen=True)
class Peer:
    """A process at the other end of a Unix socket: the numbers of its user and of its groups."""

    uid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True)
class UserIds:
    """Users and groups by number."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    def has(self, peer: Peer) -> bool:
        return peer.uid in self.users or not self.groups.isdisjoint(peer.groups)


@dataclass(frozen=True)
class AccessRules:
    """Users of the Unix socket that may use models, and those that may administrate.

    Administrators may also use models. `generate` None: all users may.
    """

    generate: UserIds | None
    administer: UserIds

    def rights(self, peer: Peer) -> Rights:
        user = f"user {peer.uid}"
        if self.administer.has(peer):
            return Rights(user, generate=True, administer=True)
        return Rights(user, generate=self.generate is None or self.generate.has(peer))


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Rights:
    """What one client may do; `who` is how messages name it."""

    who: str = "this client"
    generate: bool = False
    administer: bool = False
    holds: Callable[[], bool] = _always
    """Whether they still hold: a key may be removed while what it opened goes on."""

    def check_generate(self) -> None:
        """Raise HTTPException 403 unless it may use models."""
        if not self.generate:
            message = f"{self.who} may not use models: access.generate of the configuration says"
            raise HTTPException(403, f"{message} who may.")

    def check_administer(self) -> None:
        """Raise HTTPException 403 unless it may change what counts for all."""
        if not self.administer:
            raise HTTPException(
                403,
                f"{self.who} may not administrate: do it as root or as the daemon's own user, or "
                "be named in access.administer (over TCP: the key in tcp.admin_key_sha256) of the "
                "configuration.",
            )


ALL = Rights(generate=True, administer=True)


class Caller(NamedTuple):
    """The client: "uid:1000", "key:" and the begin of a key's hash; None where it is not known."""

    client: str | None
    rights: Rights


class Authorizer:
    """Checks every request before anything else does; holds hashes of keys, never keys."""

    def __init__(
        self,
        api_key_sha256: Sequence[str],
        admin_key_sha256: Sequence[str] = (),
        access: AccessRules | None = None,
        origins: Collection[str] = (),
        open: Collection[str] = (),
    ) -> None:
        """Hold each request against the present hashes.

        Those of `admin_key_sha256` are among the others. `access` is that of the Unix socket; None:
        all users may do everything.
        """
        self._hashes, self._admins, self._access = api_key_sha256, admin_key_sha256, access
        self._origins, self._open = origins, open
        self._of_peer = lru_cache(maxsize=64)(self._caller)  # the rules stay as they are

    def check(self, scope: Scope) -> Caller:
        """Return the client of a request, and its rights.

        Raises HTTPException 400, 401 or 403 when the request may not be served.
        """
        _check_framing(scope)
        if not over_tcp(scope):
            return self._local(scope.get("state", {}))
        key = _key(Headers(scope=scope))
        anyone = scope["path"] in self._open and key is None
        foreign = _foreign(scope, self._origins)
        if anyone and (self._hashes or foreign):
            return Caller(None, Rights(_KEYLESS))
        if self._hashes:
            given = self._checked_key(key or "")
            client = f"key:{given[:12]}"
            administers = _among(given, self._admins)

            def holds() -> bool:
                return _among(given, self._hashes) and _among(given, self._admins) is administers

            return Caller(client, Rights("this key", True, administers, holds))
        if foreign:
            raise HTTPException(403, foreign)
        return Caller(None, Rights(_KEYLESS, True))

    def _local(self, state: dict[str, object]) -> Caller:
        uid = state.get(PEER)
        if not isinstance(uid, int):
            return Caller(None, ALL if self._access is None else Rights())
        groups = cast("frozenset[int]", state.get(PEER_GROUPS) or frozenset[int]())
        return self._of_peer(uid, groups)

    def _caller(self, uid: int, groups: frozenset[int]) -> Caller:
        rights = ALL if self._access is None else self._access.rights(Peer(uid, groups))
        return Caller(f"uid:{uid}", rights)

    def _checked_key(self, key: str) -> str:
        given = hashlib.sha256(key.encode()).hexdigest()
        if not _among(given, self._hashes):
            message = "A valid API key is required: send it as `Authorization: Bearer KEY`."
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        return given


def _key(headers: Headers) -> str | None:
    """Return the key of a request: a bearer's, or as Anthropic's clients send it; None: no key."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return headers.get("x-api-key", "" if scheme else None)


def _among(given: str, hashes: Sequence[str]) -> bool:
    """Compare with all hashes: a search that stops early would tell which key came close."""
    found = [hmac.compare_digest(given, expected) for expected in hashes]
    return any(found)


def over_tcp(scope: Scope) -> bool:
    """Return True unless the connection is known to have come over a Unix socket.

    A Unix socket's address is (path, None). Where the server does not tell, TCP is assumed, for
    that is the side on which a mistake does no harm.
    """
    server = scope.get("server")
    return server is None or server[1] is not None


def _check_framing(scope: Scope) -> None:
    """Refuse a body of two lengths: a proxy may take the end of it for the next request."""
    if {b"transfer-encoding", b"content-length"} <= {name for name, _ in scope["headers"]}:
        message = "Transfer-Encoding and Content-Length exclude each other: send one of them."
        raise HTTPException(400, message, {"connection": "close"})


def _foreign(scope: Scope, origins: Collection[str]) -> str | None:
    """Return why a request without a key may not be one of this machine's own; None: it is."""
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin", "")
    # No browser speaks HTTP/1.0, so no web page asks under a name of its own.
    nameless = "host" not in headers and scope.get("http_version") == "1.0"
    if not nameless and not _is_loopback(f"//{host}"):
        return f"Without an API key only loopback is served, but Host is {host!r}."
    if origin and origin not in origins and not _is_loopback(origin):
        return f"Web pages of {origin!r} are not served: tcp.origins does not name them."
    # A page that wants no answer to read, but an image or a frame of it, has no Origin to tell. One
    # that just links here does not see what the user then reads.
    followed = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    cross_site = headers.get("sec-fetch-site") == "cross-site"
    if not origin and cross_site and followed != ("navigate", "document"):
        return "Pages of other sites may not embed this (Sec-Fetch-Site: cross-site)."
    return None


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
