"""A starlette that decodes a request and answers with one document: `bare.py SOCKET DOCUMENT`.

It runs on uvicorn with h11, as the daemon does, and does nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchlib.hits import CHAT


def app(document: object) -> Starlette:
    """Return an app that answers each chat request with `document`."""

    async def chat(request: Request) -> JSONResponse:
        await request.json()
        return JSONResponse(document)

    return Starlette(routes=[Route(CHAT, chat, methods=["POST"])])


if __name__ == "__main__":
    socket, file = sys.argv[1:]
    answer = json.loads(Path(file).read_text())
    uvicorn.run(app(answer), uds=socket, http="h11", log_level="warning", access_log=False)
