"""What the daemon does for models beside requests: downloads that clients ask for, warm texts."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from pathlib import Path

import msgspec

from edge_rt.api.middleware.decode import decode
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.messages import template_messages
from edge_rt.api.service import Service
from edge_rt.config.caching import Warm
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.core.requests import PullProgress
from edge_rt.engine.kv.prefix_shelf import common_prefix
from edge_rt.generation.warming import Prefix
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.naming import is_hub_name
from edge_rt.models.store.store import Store

_PLACE = re.compile(r"\w+")
_NEXT = ("0", "1")  # two messages of the user that have nothing in common


def warm_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every key of `warm` that no request could have, with the reason."""
    for index, warm in enumerate(config.warm):
        if warm.prompt is not None:
            continue
        try:
            template_messages(_chats(warm)[0].messages)
        except RequestError as error:
            place = _PLACE.findall(error.param or "")
            at = [int(part) if part.isdigit() else part for part in place]
            yield ("warm", index, *at), str(error)


def prefixes(config: Config, models: ModelDirectory, service: Service) -> list[Prefix]:
    """Return the entries of `warm`, for `service` to write."""
    return [
        Prefix(
            warm.model,
            partial(models.writer, warm.model),
            partial(_text, warm, service),
        )
        for warm in config.warm
    ]


async def _text(warm: Warm, service: Service) -> str:
    """Return the prefix: what prompts have in common that differ in the user's next message."""
    if warm.prompt is not None:
        return warm.prompt
    first, *others = [await _written(warm.model, chat, service) for chat in _chats(warm)]
    return first[: min((common_prefix(first, other) for other in others), default=len(first))]


async def _written(model: str, chat: ChatRequest, service: Service) -> str:
    tools = None if chat.use is None else chat.use.told
    prompt = ChatPrompt(template_messages(chat.messages), tools, chat.chat_template_kwargs)
    return await service.render(model, prompt)


def _chats(warm: Warm) -> list[ChatRequest]:
    """Return requests that begin with the entry; raises RequestError where it is no request."""
    said = {"tools": warm.tools, "chat_template_kwargs": warm.chat_template_kwargs}
    chats = [[*warm.messages, {"role": "user", "content": text}] for text in _NEXT]
    chats = [warm.messages] if _asks(warm) else chats
    bodies = [msgspec.json.encode(said | {"messages": chat}) for chat in chats]
    found = [decode(ChatRequest, body) for body in bodies]
    for one in found:
        one.check()
    return found


def _asks(warm: Warm) -> bool:
    """Return whether the user has the last word already."""
    return bool(warm.messages) and warm.messages[-1].get("role") == "user"


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
