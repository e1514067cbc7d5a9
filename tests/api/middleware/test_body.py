"""Bodies are read whole or not at all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from edge_rt.api.middleware.context import BodyQuota, open_exchange
from edge_rt.api.middleware.decode import read_body


def read(chunks: list[bytes], *, limit: int, headers=(), leaves: bool = False):
    """The body, and how many messages were asked for."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if leaves:
        messages.append({"type": "http.disconnect"})
    else:
        messages.append({"type": "http.request"})
    asked = 0

    async def receive():
        nonlocal asked
        asked += 1
        return messages[asked - 1]

    scope, intake = {"headers": list(headers)}, BodyQuota(1 << 30)
    exchange = open_exchange(scope, 0.0, intake)
    try:
        body = asyncio.run(read_body(scope, receive, limit=limit))
        assert intake.held >= 2 * len(body)  # as it came, and decoded
        exchange.close()
        assert intake.held == 0
        return body, asked
    except HTTPException as error:
        return error.status_code, asked


@given(st.lists(st.binary(max_size=10), max_size=6), st.integers(1, 40))
def test_no_more_than_one_chunk_beyond_the_limit_is_taken(chunks, limit):
    body, asked = read(chunks, limit=limit)
    total = b"".join(chunks)
    if len(total) <= limit:
        assert body == total
    else:
        assert body == 413
        assert len(b"".join(chunks[: asked - 1])) <= limit


def test_a_declared_size_above_the_limit_reads_nothing():
    assert read([b"x"], limit=5, headers=[(b"content-length", b"6")]) == (413, 0)


def test_a_client_that_leaves_half_way():
    with pytest.raises(ClientDisconnect):
        read([b"x"], limit=5, leaves=True)


def test_no_encoding_hides_behind_another_one():
    sent = [(b"content-encoding", b"identity"), (b"content-encoding", b"gzip")]
    assert read([b"x"], limit=5, headers=sent) == (415, 0)
    assert read([b"x"], limit=5, headers=sent[:1]) == (b"x", 2)
