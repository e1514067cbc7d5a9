"""Asking a hub over HTTP, which may be slow, but not without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from edge_rt.core.errors import Unavailable

USUAL_ENDPOINT = "https://huggingface.co"  # HF_ENDPOINT names another, as for other hub clients
_TIMEOUT = httpx.Timeout(30, connect=10)  # for each read, which a byte is enough for


@dataclass(frozen=True)
class FetchPatience:
    """How slow a source may be before it counts as one that gives nothing."""

    head_s: float = 60.0  # until an answer begins, redirects included
    window_s: float = 60.0
    least_bytes: int = 64 << 10  # of a body in each such window

    @property
    def refusal(self) -> str:
        """What is said of a body that comes more slowly."""
        return f"less than {self.least_bytes} bytes came in {self.window_s:g} s"


@dataclass(frozen=True)
class HubAccess:
    """The address of a model hub, the token for it, and the time that it may take.

    The proxies that the environment names are used.
    """

    endpoint: str = USUAL_ENDPOINT
    token: str | None = None  # goes to the hub alone, not to where it leads
    patience: FetchPatience = FetchPatience()

    def url(self, path: str) -> str:
        """Return the address of something at the hub."""
        return f"{self.endpoint.rstrip('/')}/{path}"

    @asynccontextmanager
    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] = {}
    ) -> AsyncGenerator[httpx.Response]:
        """Ask for `url` and give the answer, whose body is still to come.

        Raises httpx.HTTPError, also where the answer does not begin in time.
        """
        told = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        async with httpx.AsyncClient(follow_redirects=True, timeout=_TIMEOUT) as client:
            request = client.build_request("GET", url, params=params, headers={**told, **headers})
            head_s = self.patience.head_s
            try:
                response = await asyncio.wait_for(client.send(request, stream=True), head_s)
            except asyncio.TimeoutError:
                message = f"no answer began within {head_s:g} s"
                raise httpx.ReadTimeout(message, request=request) from None
            try:
                yield response
            finally:
                await response.aclose()


async def in_time(pieces: AsyncIterator[bytes], patience: FetchPatience) -> AsyncGenerator[bytes]:
    """Give the pieces; raises httpx.ReadTimeout where they come too slowly."""
    clock = asyncio.get_running_loop().time
    begin_s, come = clock(), 0
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces, b""), patience.window_s)
        except asyncio.TimeoutError:
            raise httpx.ReadTimeout(patience.refusal) from None
        if not piece:
            return
        come += len(piece)
        if clock() - begin_s >= patience.window_s:
            if come < patience.least_bytes:
                raise httpx.ReadTimeout(patience.refusal)
            begin_s, come = clock(), 0
        yield piece


def unavailable(url: str, error: Exception) -> Unavailable:
    """Return the failure for a request that had no answer, or none but an error.

    What the hub says of it is in a header, such as that a model's licence is to be accepted.
    """
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        response = error.response
        reason = f"HTTP {response.status_code} {response.reason_phrase}".strip()
        if said := response.headers.get("x-error-message"):
            reason = f"{reason}: {said}"
        if response.status_code in (401, 403):
            reason = f"{reason} (HF_TOKEN names the token of an account that may read it)"
    return Unavailable(f"{url}: {reason}", retry_after_s=60, code="fetch_failed")
