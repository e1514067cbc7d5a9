"""Turn the inputs of requests into tokens, and send what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from edge_rt.backends.base import Backend, EmbeddingBackend, Eyes, PromptVocabulary
from edge_rt.core.chat_format import CUT
from edge_rt.core.errors import RequestError, invalid
from edge_rt.core.images import MOST, ImageReference, parted
from edge_rt.engine.protocol import EngineWork, StepOutput, WorkShare

if TYPE_CHECKING:
    from edge_rt.engine.generation.generation import Generation

CHARACTERS = 64  # a token, more than any text has: longer ones are cut or refused unread
PAUSE_S = 1 / 20  # between two messages: text that grows 20 times a second looks smooth


def prompt_tokens(
    prompt: str | list[int],
    special: bool,
    backend: Backend,
    suffix: str | None = None,
    images: Collection[ImageReference] | None = None,
) -> list[int]:
    """Return the prompt as tokens; RequestError when it is empty, unknown to the model or too long.

    With a `suffix` the answer is to fill the gap before that; RequestError where a model cannot.
    `images` are those to which a text may refer; None: any.
    """
    # Tokenising megabytes would hold up every running stream for seconds.
    texts = (text for text in (prompt, suffix) if isinstance(text, str))
    least = sum(len(text.encode()) for text in texts) // backend.longest_piece
    if least >= backend.context:
        raise _prompt_too_long(f"at least {least}", backend)
    if suffix is not None:
        prompt = _infill_tokens(prompt, suffix, backend)
    elif isinstance(prompt, str):
        prompt = _seen_tokens(prompt, special, backend, images)
    else:
        _refuse_unknown(prompt, backend)
    if not prompt:
        raise RequestError("the prompt is empty: send at least one character", param="prompt")
    if len(prompt) >= backend.context:
        raise _prompt_too_long(f"{len(prompt)}", backend)
    return prompt


def _refuse_unknown(tokens: Sequence[int], backend: Backend) -> None:
    for token in tokens:
        if not 0 <= token < backend.vocab:
            raise RequestError(
                f"token {token} is not in the vocabulary of {backend.vocab} tokens", param="prompt"
            )


def _seen_tokens(
    prompt: str, special: bool, backend: Backend, known: Collection[ImageReference] | None
) -> list[int]:
    """Return the tokens of a text that may refer to images; the last one is never an image's."""
    texts, images = parted(prompt)
    if not images:
        return text_tokens(prompt, special, backend)
    if not isinstance(backend, Eyes) or not set(images) <= set(images if known is None else known):
        raise RequestError(
            "the prompt refers to an image that the request does not have, or the model cannot see",
            param="prompt",
            code="unsupported_content",
        )
    # Texts may spell references out, and the layout of each size takes a while to find.
    if len(set(images)) > MOST:
        raise RequestError(f"the prompt refers to more than {MOST} images", param="prompt")
    tokens = text_tokens(texts[0], special, backend)
    for image, text in zip(images, texts[1:], strict=True):
        if len(tokens) >= backend.context:
            raise _prompt_too_long(f"at least {len(tokens)}", backend)
        tokens += backend.image_tokens(image)
        tokens += text_tokens(text, special, backend, begins=False)
    if tokens[-1] < 0:
        raise RequestError("the prompt ends with an image: put text behind it", param="prompt")
    return tokens


def _infill_tokens(prompt: str | list[int], suffix: str, backend: Backend) -> list[int]:
    """Return the prompt in the order of llama.cpp's server.

    Control tokens that texts spell out stay text: it is code as it stands in a file.
    """
    marks = backend.infill
    if marks is None:
        raise RequestError(
            "`suffix`: this model was not made to fill gaps, and has no tokens for it: leave it "
            "out, or ask a model of code that has them, such as Qwen2.5-Coder",
            param="suffix",
            code="unsupported_parameter",
        )

    def cut(text: str) -> list[int]:
        return backend.tokenize(text, special=False, begins=False)

    before = cut(prompt) if isinstance(prompt, str) else prompt
    begin = backend.tokenize("", special=False)
    return [*begin, marks.before, *before, marks.behind, *cut(suffix), marks.gap]


def text_tokens(
    text: str, special: bool, vocabulary: PromptVocabulary, *, begins: bool = True
) -> list[int]:
    """Return the tokens of a text, of which what a CUT parts is read apart."""
    first, *others = text.split(CUT)
    tokens = vocabulary.tokenize(first, special=special, begins=begins)
    for part in others:
        tokens += vocabulary.tokenize(part, special=special, begins=False)
    return tokens


def _prompt_too_long(tokens: str, backend: Backend) -> RequestError:
    return RequestError(
        f"This model's maximum context length is {backend.context} tokens, and the "
        f"prompt alone has {tokens}: shorten it",
        param="prompt",
        code="context_length_exceeded",
    )


def fitting_tokens(
    given: str | list[int], backend: EmbeddingBackend, truncate: str | None, param: str
) -> list[int]:
    """Return `given` as tokens that fit into the context, cut at the side `truncate` if need be.

    Control tokens around a text stay. RequestError, about `param`, for an input that is too long
    and not to be cut, empty, or no tokens of this model.
    """
    tokens = given
    if isinstance(tokens, str):
        tokens = backend.tokenize(_readable(tokens, backend, truncate, param), special=False)
    if not tokens:
        raise invalid(param, "the input is empty: send at least one character")
    for token in tokens:
        if not 0 <= token < backend.vocab:
            raise invalid(param, f"token {token} is not one of the model's {backend.vocab}")
    if len(tokens) <= backend.context:
        return tokens
    if truncate is None:
        raise _too_long(param, f"{len(tokens)} tokens", f"{backend.context}")
    before, behind = backend.marks if isinstance(given, str) else (0, 0)
    return _cut(tokens, backend.context, truncate, before, behind)


def fitting_pair(
    query: str, text: str, backend: EmbeddingBackend, truncate: str | None, param: str
) -> list[int]:
    """Return a question and a text as tokens; see `fitting_tokens`. Only the text is cut."""
    if len(query) > CHARACTERS * backend.context:
        raise _too_long("query", f"{len(query)} characters", f"{backend.context} tokens")
    tokens, before, behind = backend.pair(query, _readable(text, backend, truncate, param))
    if len(tokens) <= backend.context:
        return tokens
    if truncate is None or before + behind >= backend.context:
        raise _too_long(param, f"{len(tokens)} tokens with the question", f"{backend.context}")
    return _cut(tokens, backend.context, truncate, before, behind)


def _readable(text: str, backend: EmbeddingBackend, truncate: str | None, param: str) -> str:
    """Return as much of a text as may be read.

    Cutting megabytes into tokens would hold up every stream for seconds, so it is not done.
    """
    most = CHARACTERS * backend.context
    if len(text) > most:
        if truncate is None:
            raise _too_long(param, f"{len(text)} characters", f"{backend.context} tokens")
        text = text[:most] if truncate == "end" else text[-most:]
    return text


def _cut(tokens: list[int], most: int, truncate: str, before: int, behind: int) -> list[int]:
    """Return the first or the last tokens, with the control tokens at both ends."""
    end = len(tokens) - behind
    kept = max(0, most - before - behind)
    middle = tokens[before:end]
    middle = middle[:kept] if truncate == "end" else middle[len(middle) - kept :]
    return [*tokens[:before], *middle, *tokens[end:]][:most]


def _too_long(param: str, what: str, context: str) -> RequestError:
    return RequestError(
        f"`{param}`: {what} are too many, this model takes {context}: shorten it, or have it cut "
        'with `edge.truncate`: "end" or "start"',
        param=param,
        code="context_length_exceeded",
    )


class WorkLog:
    """Adds up passes; a pass is shared among its requests by their rows of the batch."""

    def __init__(self) -> None:
        self._begin_s: float | None = None
        self._end_s = 0.0
        self._spent: dict[int, list[float]] = {}  # request -> seconds in prompt and in answer

    def __bool__(self) -> bool:
        return self._begin_s is not None

    def add(self, begin_s: float, end_s: float, rows: Sequence[tuple[int, int, bool]]) -> None:
        """Book one pass; a row is a request, its number of tokens, and whether it is decoding."""
        size = sum([count for _, count, _ in rows])
        if self._begin_s is None:
            self._begin_s = begin_s
        self._end_s = end_s
        for request, count, decoding in rows:
            spent = self._spent.get(request)
            if spent is None:
                spent = self._spent[request] = [0.0, 0.0]
            spent[decoding] += (end_s - begin_s) * count / size

    def take(self, now_s: float) -> EngineWork:
        """Return what was booked since the last call.

        With nothing booked, that there is no more.
        """
        begin_s = now_s if self._begin_s is None else self._begin_s
        end_s = now_s if self._begin_s is None else self._end_s
        shares = [WorkShare(request, *spent) for request, spent in self._spent.items()]
        self._begin_s, self._spent = None, {}
        return EngineWork(begin_s, end_s, shares)


class Outbox:
    """Tells what is new of answers, in messages that are `pause_s` apart on average or more.

    Each message wakes the front and a client, on a core that the model would use. Only when it is
    sent are answers asked what they have to tell.
    """

    def __init__(self, emit: Callable[[StepOutput], None], pause_s: float = PAUSE_S) -> None:
        self.work = WorkLog()
        self._emit = emit
        self._pause_s = pause_s
        self._news: list[Generation] = []  # of each, what was not told yet
        self._due_s = float("-inf")  # when the next message may go out

    def put(self, news: Iterable[Generation], now: float, *, urgent: bool) -> None:
        """Note that there is news of some answers, perhaps none; with `urgent`, tell it now."""
        self._news += [answer for answer in news if answer not in self._news]
        if urgent or now >= self._due_s:
            self.flush(now)

    def flush(self, now: float) -> None:
        """Send what is held back."""
        if self._news or self.work:
            self._send(now)

    def forget(self, request_id: int, now: float) -> None:
        """Drop the deltas of a request that nobody waits for, and send its counts so far."""
        self._news = [answer for answer in self._news if answer.request.id != request_id]
        self._send(now)

    def _send(self, now: float) -> None:
        news, self._news = self._news, []
        self._emit(StepOutput([answer.delta() for answer in news], self.work.take(now)))
        due_s = max(now, self._due_s + self._pause_s)  # of steps that are longer, none is skipped
        self._due_s = min(due_s, now + self._pause_s)
