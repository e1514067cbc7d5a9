"""A document that many questions begin with: read again, and restored from the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

from benchlib import BenchError, prompts
from benchlib.chat import Reply, ask
from benchlib.http import Address, get_json

TOKENS = 1000  # of a document
_LOOKS, _PAUSE_S = 300, 0.2  # until the document must have been kept
_WORDS = 500  # of a document by which it is seen how many tokens they are
_NEAR = 0.9  # of the document at least comes back

Told = Callable[[], Awaitable[dict[str, Any]]]

_SHARED = 0  # the number of the document that is asked about again and again


class Documents:
    """Documents of about TOKENS tokens for a model, and questions about them, all different."""

    def __init__(self, address: Address, model: str) -> None:
        self._address, self._model = address, model
        self._words = " ".join(prompts.built_in().long).split()
        self._questions: Iterator[str] = iter(prompts.built_in().short)
        self._count = _WORDS

    async def measure(self) -> None:
        """See how many words make TOKENS tokens."""
        reply = await self.ask(-1)
        self._count = self._count * TOKENS // reply.prompt_tokens

    async def ask(self, number: int) -> Reply:
        """A question that was not asked before, about the document of that number."""
        turn = number * 131 % len(self._words)
        words = [*self._words[turn:], *self._words[:turn]][: self._count]
        question = next(self._questions)
        text = f"Report {number}. {' '.join(words)}\n\n{question}"
        return await ask(self._address, self._model, text, 1)


class Prefix:
    """How long it takes to the first token, on a daemon with one sequence.

    Another document drives the shared one out of memory, so that it comes from the disk; what the
    kernel holds of the file is dropped.
    """

    def __init__(self, documents: Documents, told: Told, folder: Path) -> None:
        """`told` gives what the daemon says of beginnings of prompts, which lie in `folder`."""
        self._documents, self._told, self._folder = documents, told, folder
        self._fresh = _SHARED

    async def prepare(self) -> None:
        """Have the shared document kept; raises BenchError where it is not."""
        await self._documents.measure()
        for _ in range(2):
            await self._documents.ask(_SHARED)
        for _ in range(_LOOKS):
            if (await self._told())["groups"]:
                return
            await asyncio.sleep(_PAUSE_S)
        raise BenchError("the daemon kept nothing of a document that was asked about twice")

    async def round(self) -> tuple[float, float]:
        """Seconds to the first token with a new document, and with the shared one."""
        self._fresh += 1
        read = await self._documents.ask(self._fresh)
        before = (await self._told())["restored_prompts"]
        drop_pages(self._folder)
        again = await self._documents.ask(_SHARED)
        told = await self._told()
        if told["restored_prompts"] != before + 1 or again.cached_tokens < _NEAR * TOKENS:
            raise BenchError(f"{again.cached_tokens} tokens came back: {told}")
        return read.ttft_s, again.ttft_s


def telling(address: Address) -> Told:
    """Return what the daemon at `address` says."""

    async def told() -> dict[str, Any]:
        report = cast("dict[str, Any]", await get_json(address, "/edge/v1/cache"))
        return report["prefixes"]

    return told


def drop_pages(folder: Path) -> None:
    """Have the kernel read the files of `folder` from the disk when they are needed next."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
