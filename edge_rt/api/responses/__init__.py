"""OpenAI's Responses API: POST /v1/responses, and the paths of answers that are not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import asdict, replace
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.asked import MakeReader
from edge_rt.api.middleware.context import Context, Head
from edge_rt.api.middleware.decode import describe
from edge_rt.api.middleware.respond import Failure, NamedEventStream
from edge_rt.api.openai.answers import Answer, AnswerPart, Dialect, chat_logprobs
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.translated import TranslatedChat
from edge_rt.api.responses.bodies import ResponsesRequest, chat_request, refuse
from edge_rt.api.responses.documents import (
    IncompleteDetails,
    InputTokensDetails,
    Output,
    OutputTokensDetails,
    ResponseFault,
    ResponsesAnswer,
    ResponsesEvent,
    ResponsesUsage,
)
from edge_rt.core.chat_format import Reading
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import AnswerReader, Content, Part, Thought

_NAMES = {
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "messages": "input",
    "prompt": "input",
    "tool_choice.allowed_tools.mode": "tool_choice.mode",
    "tool_choice.allowed_tools.tools": "tool_choice.tools",
}


class ResponsesDialect(Dialect):
    """One answer as the Responses API tells it; a call's arguments come whole."""

    eager = False

    def __init__(
        self,
        head: Head,
        asked: ResponsesRequest,
        clock: Callable[[], float],
        *,
        reader: Callable[[], AnswerReader] | None = None,
    ) -> None:
        """`clock` gives Unix seconds."""
        super().__init__(head, wants_logprobs=asked.wants_logprobs, reader=reader)
        self.stream = partial(NamedEventStream, failed=self._failed)
        self._clock = clock
        self._begun = begun(head, asked)
        self._output = Output(head.id)
        self._thought, self._pending = 0, 0  # tokens of thoughts, and of what is not told yet
        self._last: type[Part] | None = None  # what was told last

    @override
    def opening(self, choice: int, started: Started) -> Sequence[ResponsesEvent]:
        named = ("response.created", "response.in_progress")
        return [self._output.event(name, response=self._begun) for name in named]

    @override
    def read(self, answer: Answer, event: Delta | Finished) -> list[AnswerPart]:
        pieces = super().read(answer, event)
        ended = isinstance(event, Finished)
        if ended and self._last is None and not pieces:
            pieces = answer.told([Content("")])  # clients look for a message
        self._count([piece.part for piece in pieces], 0 if ended else len(event.tokens))
        return pieces

    @override
    def collect(self, choice: int, event: Delta | Finished) -> None:
        self.told(choice, event, None)

    @override
    def piece(self, choice: int, piece: AnswerPart) -> Iterator[ResponsesEvent]:
        some = isinstance(piece.part, Content) and piece.logprobs
        logprobs = chat_logprobs(piece.logprobs).content if some else []
        return self._output.take(piece.part, logprobs)

    @override
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterator[ResponsesEvent]:
        return self._output.close("incomplete" if answer.reason == "length" else "completed")

    @override
    def summary(self, usage: Usage, edge: Edge) -> ResponsesEvent:
        answer = self._answer(usage, edge)
        return self._output.event(f"response.{answer.status}", response=answer)

    @override
    def whole(self, choices: int, usage: Usage, edge: Edge) -> ResponsesAnswer:
        return self._answer(usage, edge)

    def _count(self, parts: Sequence[Part], tokens: int) -> None:
        """Count new tokens; those of a marker are with what comes before it."""
        if not parts:
            self._pending += tokens
            return
        before, self._last = self._last or type(parts[0]), type(parts[-1])
        self._thought += self._pending if before is Thought else 0
        self._thought += tokens if isinstance(parts[0], Thought) else 0
        self._pending = 0

    def _answer(self, usage: Usage, edge: Edge) -> ResponsesAnswer:
        short = self._answers[0].reason == "length"
        return replace(
            self._begun,
            status="incomplete" if short else "completed",
            completed_at=None if short else int(self._clock()),
            incomplete_details=IncompleteDetails() if short else None,
            output=self._output.items,
            usage=ResponsesUsage(
                usage.prompt_tokens,
                InputTokensDetails(cached_tokens=usage.prompt_tokens_details.cached_tokens),
                usage.completion_tokens,
                OutputTokensDetails(self._thought),
                usage.total_tokens,
            ),
            edge=edge,
        )

    def _failed(self, failure: Failure) -> ResponsesEvent:
        """Return the event that ends a stream which cannot go on."""
        error = failure.body.error
        fault = ResponseFault(error.code or error.type, error.message)
        output = self._output.items
        answer = replace(self._begun, status="failed", error=fault, output=output)
        return self._output.event("response.failed", response=answer)


def begun(head: Head, asked: ResponsesRequest) -> ResponsesAnswer:
    """Return the document of an answer of which nothing is there yet."""
    reasoning, format = asked.reasoning, asdict(asked.format)
    unsaid = {"description": None, "parameters": None, "strict": False}
    return ResponsesAnswer(
        id=head.id,
        created_at=head.created,
        status="in_progress",
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        metadata=asked.metadata or {},
        model=head.model,
        output=[],
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        reasoning={"effort": reasoning and reasoning.effort, "summary": None},
        temperature=asked.temperature,
        text={"format": {name: said for name, said in format.items() if said is not None}},
        tool_choice=asked.tool_choice or "auto",
        tools=[unsaid | tool for tool in asked.tools or ()],
        top_logprobs=asked.top_logprobs or 0,
        top_p=asked.top_p,
    )


class Responses(TranslatedChat[ResponsesRequest]):
    """Continue a conversation, which is not kept.

    Requests are translated, and answered as chat completions are.
    """

    body, ids, names = ResponsesRequest, "resp_", _NAMES

    @override
    def told(self, asked: ResponsesRequest, body: bytes) -> Iterator[str]:
        refuse(asked)
        return asked.told()

    @override
    def translated(self, asked: ResponsesRequest) -> ChatRequest:
        return chat_request(asked)

    @override
    def dialect(
        self,
        asked: ResponsesRequest,
        head: Head,
        reading: Reading | None,
        reader: MakeReader | None,
    ) -> ResponsesDialect:
        return ResponsesDialect(head, asked, self.context.clock, reader=reader)

    @override
    def theirs(self, param: str) -> str:
        inside = param.startswith(("tools[", "response_format.", "tool_choice.allowed_tools"))
        if param in self.names or not inside:
            return super().theirs(param)
        told = param.replace("].function", "]").replace("response_format.", "text.format.")
        return told.replace("tool_choice.allowed_tools", "tool_choice")


async def kept(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Raise HTTPException 404: there are no answers to be had again."""
    id = describe(scope["path_params"]["id"])
    advice = "read it where it is made, or send the whole conversation as `input`"
    raise HTTPException(404, f"The response {id} is not here: answers are not kept; {advice}.")
