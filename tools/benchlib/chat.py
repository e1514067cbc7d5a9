"""One streamed chat completion, timed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchlib import BenchError
from benchlib.http import Address, Response, fetch


@dataclass(frozen=True)
class Reply:
    """What came back, and when: times are seconds of the client's clock, sizes tokens."""

    sent_s: float
    texts_s: tuple[float, ...]  # of each piece of text
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    text: str

    @property
    def first_s(self) -> float:
        """The first text."""
        return self.texts_s[0]

    @property
    def last_s(self) -> float:
        """The last text."""
        return self.texts_s[-1]

    @property
    def ttft_s(self) -> float:
        """Time to the first token."""
        return self.first_s - self.sent_s

    @property
    def decode_tokens_per_s(self) -> float:
        """Speed after the first token."""
        return (self.completion_tokens - 1) / (self.last_s - self.first_s)

    def tokens_between(self, start_s: float, end_s: float) -> float:
        """Tokens after `start_s` and up to `end_s`; a piece of text stands for its share of all."""
        pieces = sum(start_s < when <= end_s for when in self.texts_s)
        return self.completion_tokens * pieces / len(self.texts_s)

    @property
    def prefill_tokens_per_s(self) -> float:
        """Prompt tokens that were not cached, over the time to the first token."""
        return (self.prompt_tokens - self.cached_tokens) / self.ttft_s


async def ask(address: Address, model: str, prompt: str, max_tokens: int) -> Reply:
    """Stream exactly `max_tokens` greedy tokens; raises BenchError when they do not come."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    reply = parse(await fetch(address, "POST", "/v1/chat/completions", body))
    if reply.completion_tokens != max_tokens:
        made = reply.completion_tokens
        raise BenchError(f"asked for {max_tokens} tokens with ignore_eos, the server made {made}")
    return reply


def parse(response: Response) -> Reply:
    """Read the events of a streamed `response`; raises BenchError when they are not as expected."""
    if response.status != 200:
        shown = response.body[:300].decode(errors="replace")
        raise BenchError(f"chat completion: status {response.status}: {shown}")
    texts: list[tuple[float, str]] = []
    usage: Mapping[str, Any] | None = None
    for when, data in events(response):
        if "error" in data:
            raise BenchError(f"chat completion: error in the stream: {data['error']}")
        usage = data.get("usage") or usage
        texts += [(when, text) for choice in data["choices"] if (text := _content(choice))]
    if usage is None or not texts:
        raise BenchError("chat completion: the stream had no text or no usage")
    return _reply(response.sent_s, texts, usage)


def events(response: Response) -> Iterator[tuple[float, dict[str, Any]]]:
    """The JSON events of a stream, each with the time at which its last byte was there."""
    held = b""
    for when, piece in response.pieces:
        *whole, held = (held + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in whole:
            data = b"\n".join(
                line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")
            )
            if data and data != b"[DONE]":
                yield when, json.loads(data)


def _content(choice: Mapping[str, Any]) -> str:
    return choice.get("delta", {}).get("content") or ""


def _reply(sent_s: float, texts: list[tuple[float, str]], usage: Mapping[str, Any]) -> Reply:
    details: Mapping[str, Any] = usage.get("prompt_tokens_details") or {}
    return Reply(
        sent_s=sent_s,
        texts_s=tuple(when for when, _ in texts),
        prompt_tokens=usage["prompt_tokens"],
        cached_tokens=details.get("cached_tokens") or 0,
        completion_tokens=usage["completion_tokens"],
        text="".join(text for _, text in texts),
    )
