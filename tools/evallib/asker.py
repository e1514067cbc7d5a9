"""One question to a server, and its answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchlib import BenchError
from benchlib.http import Address, Response, fetch

_AGAIN_S = 2.0
_SHOWN = 300  # bytes of what a server says is wrong


class Unanswered(Exception):
    """The server gave no answer to this question; the message says why."""


@dataclass(frozen=True)
class Reply:
    """A whole answer and what the server tells of it; times of the client's clock."""

    text: str
    reason: str
    begin_s: float
    end_s: float
    prompt_tokens: int
    cached_tokens: int
    tokens: int
    fingerprint: str  # of the model; "" where the server tells none
    edge: Mapping[str, Any] = field(default_factory=dict[str, Any])
    choices: Sequence[Mapping[str, Any]] = ()  # all answers, as they came

    @property
    def seconds(self) -> float:
        """From the request to the whole answer."""
        return self.end_s - self.begin_s


class Asks(Protocol):
    """What answers questions."""

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Return the answer; raises Unanswered."""
        ...


@dataclass(frozen=True)
class Asker:
    """Asks the server at `address`; waits `patience_s` for an answer, and while it takes none."""

    address: Address
    patience_s: float = 900.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Ask once more after a while when the server takes no request now; raises Unanswered."""
        end_s = self.clock() + self.patience_s
        while True:
            response = await self._fetch(body)
            if response.status != 503 or self.clock() >= end_s:
                return reply_of(response)
            await self.sleep(_AGAIN_S)

    async def _fetch(self, body: Mapping[str, Any]) -> Response:
        asked = fetch(self.address, "POST", "/v1/chat/completions", body, self.clock)
        try:
            return await asyncio.wait_for(asked, self.patience_s)
        except asyncio.TimeoutError:
            raise Unanswered(f"no answer within {self.patience_s:.0f} s") from None
        except (OSError, BenchError) as error:
            raise Unanswered(str(error)) from error


def question(
    model: str, prompt: str, edge: Mapping[str, Any], max_tokens: int, temperature: float, seed: int
) -> dict[str, Any]:
    """The body of a request whose answer must not come from a cache."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
    }
    return body | {"edge": {"cache": "off", **edge}}


def reply_of(response: Response) -> Reply:
    """Read a whole answer; raises Unanswered where it is none."""
    if response.status != 200:
        raise Unanswered(f"status {response.status}: {_shown(response.body)}")
    try:
        document = json.loads(response.body)
        choice, usage = document["choices"][0], document["usage"]
        details = usage.get("prompt_tokens_details") or {}
        return Reply(
            text=choice["message"]["content"] or "",
            reason=choice["finish_reason"],
            begin_s=response.sent_s,
            end_s=response.pieces[-1][0],
            prompt_tokens=usage["prompt_tokens"],
            cached_tokens=details.get("cached_tokens") or 0,
            tokens=usage["completion_tokens"],
            fingerprint=document.get("system_fingerprint") or "",
            edge=document.get("edge") or {},
            choices=document["choices"],
        )
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Unanswered(f"no chat completion ({error!r}): {_shown(response.body)}") from error


def _shown(body: bytes) -> str:
    return body[:_SHOWN].decode(errors="replace")
