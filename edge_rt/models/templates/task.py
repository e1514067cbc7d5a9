"""What the process that fills in chat templates is asked and answers, and whose turn it is."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from edge_rt.core.chat_format import ChatFormat, PromptEnd
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.formats.card import special_tokens
from edge_rt.models.formats.gguf import read_tokens
from edge_rt.models.record import ModelRecord

LENGTH = 4  # bytes, big-endian, before each document of JSON


class Template(msgspec.Struct, frozen=True):
    """A model's template, and the control tokens that messages may not hold."""

    source: str | None
    bos_token: str | None
    eos_token: str | None
    control_tokens: tuple[str, ...]
    mark: str  # that is put into them; see Disarmed


class TemplateTask(msgspec.Struct, frozen=True, tag=True):
    """What to fill a template with; see ChatTemplate.render."""

    template: Template
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    variables: dict[str, Any] | None = None
    end: PromptEnd = "assistant"


class AnalysisTask(msgspec.Struct, frozen=True, tag=True):
    """A template that is to tell how the model's answers are written."""

    template: Template


class Filled(msgspec.Struct, frozen=True, tag=True):
    """The prompt."""

    prompt: str


class Analysed(msgspec.Struct, frozen=True, tag=True):
    """What the template tells."""

    format: ChatFormat


class TemplateRefusal(msgspec.Struct, frozen=True, tag=True):
    """Why there is none: the model's file is at fault, or else the request."""

    message: str
    file: bool
    param: str | None = None
    code: str | None = None

    def error(self) -> ModelFileError | RequestError:
        """To be raised."""
        if self.file:
            return ModelFileError(self.message)
        return RequestError(self.message, param=self.param, code=self.code)


AnyTask = TemplateTask | AnalysisTask
AnyReply = Filled | Analysed | TemplateRefusal


class ClientTurns:
    """Whose turn it is: clients one after the other, and of each the smallest task first."""

    def __init__(self) -> None:
        self._taken = False
        self._numbers = itertools.count()
        self._waiting: OrderedDict[str | None, list[tuple[int, int, asyncio.Future[None]]]]
        self._waiting = OrderedDict()

    async def enter(self, client: str | None, size: int) -> None:
        """Wait for a turn; the caller must leave it."""
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(client, [])
        heapq.heappush(waiting, (size, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the next who still waits."""
        self._taken = False
        while self._waiting and not self._taken:
            client, waiting = self._waiting.popitem(last=False)
            *_, turn = heapq.heappop(waiting)
            if waiting:
                self._waiting[client] = waiting  # behind all others
            if not turn.done():
                self._taken = True
                turn.set_result(None)


class TemplateVocabulary(NamedTuple):
    """The tokens of a model, as far as writing a prompt depends on them."""

    control: Sequence[str]  # the texts of its control tokens
    longest: int | None  # most bytes of a token; None: not known


def vocabulary(entry: ModelRecord) -> TemplateVocabulary:
    """That of a model; takes a while. Raises ModelFileError."""
    if entry.backend == "llama.cpp":
        return TemplateVocabulary(*read_tokens(entry.path))
    return TemplateVocabulary(special_tokens(entry.path.with_name("tokenizer.json")), None)


# What marks turns in common templates, should a vocabulary not call it a control token.
_USUAL = (
    r"<\|[^|<>\s]{1,64}\|>",
    "<\uff5c[^\uff5c<>\\s]{1,64}\uff5c>",
    "</?s>",
    "<(?:start|end)_of_turn>",
)


class Disarmed:
    """Puts a mark into every control token that a text spells out, behind its first character."""

    def __init__(self, tokens: Iterable[str], mark: str) -> None:
        known = sorted({token for token in tokens if len(token) > 1})
        begins = "".join(sorted({re.escape(token[0]) for token in (*known, "<")}))
        ways = "|".join((*_USUAL, *map(re.escape, known)))
        # Looked at from each place on, for one token may begin within another.
        self._token: re.Pattern[str] = re.compile(f"(?=[{begins}])(?=(?:{ways}))(.)", re.DOTALL)
        self._marked: Callable[[re.Match[str]], str] = lambda found: found[1] + mark

    def text(self, text: str) -> str:
        """`text` with the marks."""
        return self._token.sub(self._marked, text)

    def all(self, value: object) -> Any:
        """A document of JSON in which every text has the marks."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.all(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {self.text(key): self.all(item) for key, item in items}
        return value
