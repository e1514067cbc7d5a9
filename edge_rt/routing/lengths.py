"""Tokens of a request for each model: estimates by bytes, and counts where they matter."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from weakref import WeakKeyDictionary

from edge_rt.config.schema import Engine
from edge_rt.core.errors import EngineError, ModelFileError, RequestError
from edge_rt.core.events import Delta, Started
from edge_rt.core.images import parted
from edge_rt.core.requests import Call
from edge_rt.core.routing import RequestTokens, RouteRequest, Unpredicted
from edge_rt.engine.client import EngineClient, Event
from edge_rt.engine.kv.prefix_files import common_prefix
from edge_rt.engine.model_pool import ModelPool, Resident
from edge_rt.models.directory import families, weights
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.routing.prompts import Prompts

TOKEN_BYTES = 4.0  # of a text, as long as nothing is known of a vocabulary
IMAGE_TOKENS = 256.0  # of an image, as long as a model has seen none
ANSWER = 128  # tokens of an answer, as long as none came to its end
_KEPT = 16  # texts by which a vocabulary is judged, and answers

LONG = 0.5  # of the context has an estimate to be for the prompt to be counted

Written = str | list[int] | RequestError | ModelFileError
Connect = Callable[[], Awaitable[EngineClient]]
"""Gives the live engine."""


@dataclass
class Heard:
    """What was heard of one request so far."""

    prompt: str
    tokens: int | None = None  # of the prompt; None: it has not begun
    answer: list[str] = field(default_factory=list[str])


class Lengths:
    """Estimates tokens by bytes, and cached tokens by the texts that were read recently.

    To count would cost a pass of the engine, and vocabularies of models that are not loaded.
    """

    def __init__(self, pool: ModelPool, sequences: int) -> None:
        """`sequences` are those that each model keeps in KV."""
        self._pool, self._sequences = pool, sequences
        self._sizes: dict[str, deque[tuple[int, int]]] = {}  # bytes and tokens, by source
        self._looks: dict[str, float] = {}  # tokens of an image, by source
        self._answers: deque[int] = deque(maxlen=_KEPT)
        self._texts: WeakKeyDictionary[Resident, deque[str]] = WeakKeyDictionary()

    def expected(self, max_tokens: int | None, *, ignore_eos: bool = False) -> int:
        """Return tokens of an answer that may have so many."""
        usual = round(median(self._answers)) if self._answers else ANSWER
        if max_tokens is None:
            return usual
        return max_tokens if ignore_eos else min(max_tokens, usual)

    def of(
        self, entry: ModelRecord, prompt: str | list[int], completion: int, context: int
    ) -> RequestTokens:
        """Return what to expect of `prompt`; `completion` tokens are as many as would be made."""
        if isinstance(prompt, str):
            text, images = without_images(prompt)
            looks = images * self._looks.get(
                weights(entry), IMAGE_TOKENS
            )  # as many as the last had
            tokens = max(1, round(_bytes(text) / self._token_bytes(entry) + looks))
            cached = round(tokens * self._known(entry, prompt) / max(1, len(prompt)))
        else:
            tokens, cached = len(prompt), 0
        return RequestTokens(
            tokens, min(cached, tokens - 1), max(1, min(completion, context - tokens))
        )

    @contextmanager
    def follow(
        self, entry: ModelRecord, call: Call, partner: ModelRecord | None = None
    ) -> Generator[Heard]:
        """Learn from a request while the block runs, however it ends."""
        heard = Heard(call.prompt if isinstance(call.prompt, str) else "")
        try:
            yield heard
        finally:
            if heard.prompt and heard.tokens:
                self._learn(entry, heard, heard.tokens)
                mode = call.plan.mode
                self._keep(partner, heard, None if mode is None else mode.prompt)

    def hear(self, heard: Heard, event: Event) -> None:
        if isinstance(event, Started):
            heard.tokens = event.prompt_tokens
        elif isinstance(event, Delta):
            if event.index == 0:
                heard.answer.append(event.text)
        elif event.reason == "stop":
            self._answers.append(max(1, event.timings.completion_tokens))

    def _learn(self, entry: ModelRecord, heard: Heard, tokens: int) -> None:
        text, images = without_images(heard.prompt)
        if images:
            looks = (tokens - _bytes(text) / self._token_bytes(entry)) / images
            self._looks[weights(entry)] = max(1.0, looks)
        else:
            sizes = self._sizes.setdefault(weights(entry), deque(maxlen=_KEPT))
            sizes.append((_bytes(text), tokens))
        self._keep(entry, heard)

    def _keep(
        self, entry: ModelRecord | None, heard: Heard, prompt: str | list[int] | None = None
    ) -> None:
        """Note that a model read a prompt and its answer; `prompt` None: the prompt as heard."""
        resident = None if entry is None else self._pool.get(resident_name(entry))
        if resident is None or isinstance(prompt, list):
            return
        read = heard.prompt if prompt is None else prompt
        kept = self._texts.setdefault(resident, deque(maxlen=self._sequences))
        kept.append(read + "".join(heard.answer))

    def _token_bytes(self, entry: ModelRecord) -> float:
        sizes = self._sizes.get(weights(entry))
        if not sizes:
            return TOKEN_BYTES
        return sum(size for size, _ in sizes) / sum(tokens for _, tokens in sizes)

    def _known(self, entry: ModelRecord, prompt: str) -> int:
        """Letters at the beginning of `prompt` that the loaded model has read."""
        resident = self._pool.get(resident_name(entry))
        if resident is None:
            return 0
        texts = self._texts.get(resident, ())
        return max((common_prefix(text, prompt) for text in texts), default=0)


def without_images(prompt: str) -> tuple[str, int]:
    """Return the text of a prompt and the number of its images."""
    texts, images = parted(prompt)
    return "".join(texts), len(images)


def _bytes(text: str) -> int:
    """Return the bytes in UTF-8; lone surrogates, which JSON may hold, count as replaced."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


class Sizing:
    """Estimates the tokens of prompts, and counts them where that may matter."""

    def __init__(self, lengths: Lengths, connect: Connect, engine: Engine) -> None:
        self._lengths, self._connect, self._engine = lengths, connect, engine

    async def tokens(
        self, able: Sequence[ModelRecord], prompts: Prompts, request: RouteRequest
    ) -> dict[str, RequestTokens | Unpredicted]:
        """Return what the prompt is for each; raise what all say against it."""
        completion = self._lengths.expected(request.max_tokens, ignore_eos=request.ignore_eos)
        known: dict[str | None, Written] = {}
        found: dict[str, RequestTokens | Unpredicted] = {}
        for entry in able:
            template = entry.summary.chat_template
            if template not in known:  # those with the same one read the same
                known[template] = await written(prompts.of(entry))
            prompt = known[template]
            if isinstance(prompt, (RequestError, ModelFileError)):
                found[entry.id] = Unpredicted(str(prompt))
            elif isinstance(prompt, list) and len({*families(able)}) > 1:
                raise RequestError(
                    "`model`: tokens are those of one model; name it, or send texts.",
                    param="model",
                    code="invalid_value",
                )
            else:
                found[entry.id] = await self._sized(entry, prompt, completion)
        raise_if_none([*known.values()])
        return found

    async def _sized(
        self, entry: ModelRecord, prompt: str | list[int], completion: int
    ) -> RequestTokens | Unpredicted:
        """Estimate the tokens; count them if the prompt may not fit into the context."""
        context = context_of(entry, self._engine)
        estimate = self._lengths.of(entry, prompt, completion, context)
        if isinstance(prompt, list) or estimate.prompt < LONG * context:
            return estimate
        try:
            tokens, cached = await self.count(entry, prompt, special=True)
        except RequestError as error:
            return Unpredicted(str(error))
        except EngineError:  # it is lost, and the estimate as good as any
            return estimate
        return RequestTokens(tokens, cached, min(completion, max(1, context - tokens)))

    async def count(self, entry: ModelRecord, prompt: str, *, special: bool) -> tuple[int, int]:
        """Return the tokens of a prompt, and how many are cached; see EngineClient.count."""
        client, name = await self._connect(), resident_name(entry)
        return await client.count(name, entry.backend, str(entry.path), prompt, special=special)


async def written(writing: Awaitable[str | list[int]]) -> Written:
    """Return a prompt, or why the model's template gives none."""
    try:
        return await writing
    except (RequestError, ModelFileError) as error:
        return error


def raise_if_none(prompts: Sequence[Written]) -> None:
    """Raise the first fault if there are only faults."""
    faults = [one for one in prompts if isinstance(one, (RequestError, ModelFileError))]
    if faults and len(faults) == len(prompts):
        raise faults[0]
