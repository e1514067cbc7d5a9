"""What is kept for later requests, in config.yaml."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_rt.config.section import Amount, Section, Text


class Semantic(Section, frozen=True):
    """Answers also given to other questions, which comparisons tell to have the same answer."""

    model: Text | None = None
    """The embedding model that compares questions. Default: no comparison."""
    entries: Annotated[int, Meta(ge=1, le=100_000)] = 100_000
    """Questions that are compared; each takes 0.7 KB of memory."""
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 128 * 1024 * 1024
    """Size of the file of questions."""
    wrong: Annotated[float, Meta(gt=0, le=0.1)] = 0.005
    """Share of the requests that may get a wrong answer."""
    judge: Text | None = None
    """The language model that compares answers with other words. Default: these are different."""
    hourly_j: Amount = 100.0
    """Joules of such verdicts in an hour."""


class Cache(Section, frozen=True):
    """Answers and beginnings of prompts that are kept for later requests."""

    enabled: bool = True
    """Whether answers are kept, and beginnings of prompts on the disk."""
    ttl_s: Amount = 86_400.0
    """How long an answer is kept."""
    max_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 64 * 1024 * 1024
    """Size of the file of answers."""
    memory_bytes: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
    """Memory for the answers that were used last."""
    per_client: bool = False
    """Whether each user of the Unix socket and each key of TCP gets its own answers only."""
    semantic: Semantic = Semantic()
    """Answers to questions with the same meaning."""
    prefix_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024 * 1024
    """Size of the files with beginnings of prompts; 0: none are kept."""
    prefix_hourly_bytes: Annotated[int, Meta(ge=0)] = 128 * 1024 * 1024
    """How much of these files is written in an hour, to spare SD cards."""


class Warm(Section, frozen=True):
    """A prefix that is read before requests come that begin with it.

    Either `prompt`, or `messages` and `tools` of a chat. Other fields of a request are not part of
    its prefix.
    """

    model: Text = "default"
    """Id of a language model, or `default`; it is loaded at start."""
    prompt: Text | None = None
    """Beginning of prompts of /v1/completions."""
    messages: list[dict[str, Any]] = []
    """First messages of a chat, as in a request. Unless the last one is the user's, the prefix ends
    where the user's next message begins."""
    tools: list[dict[str, Any]] = []
    """Tools of the chat, as in a request."""
    chat_template_kwargs: dict[str, Any] = {}
    """Variables for the chat template, as in a request."""
