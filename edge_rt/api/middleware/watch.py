"""Work that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from starlette.requests import ClientDisconnect
from starlette.types import Receive


async def unless_gone(work: Coroutine[object, object, None], receive: Receive) -> None:
    """Run `work` to its end, or cancel it as soon as the client goes away.

    The request body must have been read. `work` must not wait for anything after it has sent the
    end of the response, for servers report a finished exchange as a disconnect too. Raises
    ClientDisconnect when the client left, and what `work` raises.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
    if task.cancelled():
        raise ClientDisconnect
    task.result()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
