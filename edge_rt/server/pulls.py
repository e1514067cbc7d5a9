"""Models that clients have the daemon fetch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

from edge_rt.core.errors import RequestError
from edge_rt.core.requests import PullProgress
from edge_rt.models.naming import is_hub_name
from edge_rt.models.store.store import Store


class _Left(Exception):
    """The client does not wait any more; the next download goes on where this one ended."""


class ModelPulls:
    """Fetches models of the catalogue and the hub, where the daemon may use the network."""

    def __init__(self, store: Store, cache: Path, *, offline: bool) -> None:
        """`cache` may have the files already."""
        self._store, self._cache, self._offline = store, cache, offline

    async def pull(self, id: str) -> AsyncGenerator[PullProgress]:
        """Fetch a model; its whole size comes first. Closing the generator stops the download.

        Raises ModelNotFound where the catalogue or the hub lacks it, RequestError while the daemon
        is offline, Unavailable where no source gives it, StoreError where it cannot be stored.
        """
        if not is_hub_name(id):
            self._store.catalogue.get(id)
        if self._offline:
            message = (
                f"{id} is not in the store, and the daemon is offline: fetch it with "
                f"`edge-rt models pull {id}`, or allow it by `offline: false` in the configuration"
            )
            raise RequestError(message, param="model", code="offline")
        from edge_rt.models.pull import find_model, pull  # bring an HTTP client, which few need

        loop, left = asyncio.get_running_loop(), threading.Event()
        queue: asyncio.Queue[PullProgress | Exception | None] = asyncio.Queue()

        def tell(item: PullProgress | Exception | None) -> None:
            if not left.is_set():  # the loop may be closed after that
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def fetch() -> None:
            known = find_model(id, self._store.catalogue)

            def progress(done: int, total: int) -> None:
                if left.is_set():
                    raise _Left
                tell(PullProgress(known.sha256, done, total))

            progress(0, known.bytes)
            pull(known, self._store, cache=self._cache, progress=progress)
            progress(known.bytes, known.bytes)

        def work() -> None:
            try:
                fetch()
            except Exception as error:
                tell(error)
            else:
                tell(None)

        # The daemon's end waits neither for it nor for a hub that is silent: a download goes on
        # where it was interrupted.
        threading.Thread(target=work, name="pull", daemon=True).start()
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            left.set()
