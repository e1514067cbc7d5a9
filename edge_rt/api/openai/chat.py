"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as asked_again
from functools import cached_property, partial
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.allowance import ContextTerms, Effort, Think, ThinkTerms, limit_of, think_of
from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.caching import LONGEST_TEXT
from edge_rt.api.edge.long_chats import Shortener
from edge_rt.api.endpoint import GenerationEndpoint
from edge_rt.api.kept import Place
from edge_rt.api.middleware.context import Context, Head
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.openai.chat_answers import ChatDialect
from edge_rt.api.openai.constraint import JSON_KINDS, chat_constraint
from edge_rt.api.openai.fields import Count, GenerationFields, Text
from edge_rt.api.openai.images import image_sources, with_references
from edge_rt.api.openai.messages import (
    MOST,
    ChatMessage,
    Function,
    Tool,
    ToolUse,
    last_said,
    template_messages,
    tool_use,
)
from edge_rt.api.openai.unsupported import REFUSED, unsupported
from edge_rt.api.work import Work
from edge_rt.core.chat_format import ChatPrompt, PromptEnd, Reading
from edge_rt.core.errors import ModelFileError, RequestError, invalid
from edge_rt.core.requests import FitLimit, Identity
from edge_rt.generation.usage import LeftOut
from edge_rt.models.answers.reader import answer_reader
from edge_rt.models.record import blind
from edge_rt.routing.prompts import with_note

_SHORT = "Answer in at most {} words."
_OPENING = "In short: "  # which models heed more than a number of words
_LONG = 400  # tokens that most answers do not have: told of so many, they would become longer
_WORDS = 0.6  # that a token makes, with some room
_THOUGHTS = 0.5  # of the tokens are for thoughts
_ENOUGH = "\nThat is all there is time for, so the answer follows.\n"
HONOURED = {"add_generation_prompt", "continue_final_message"}  # which completions refuse


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """A conversation that the assistant is to continue."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=MOST)]
    """The conversation so far."""
    max_completion_tokens: Count | None = None
    """The new name of `max_tokens`, which it overrides."""
    logprobs: bool | None = None
    """Whether each token comes with its log-probability."""
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    """How many alternatives come with each token."""
    tools: Annotated[list[Tool], Meta(max_length=MOST)] | None = None
    """Functions that the model may call."""
    tool_choice: Annotated[Any, Meta(description="none, auto, required or a tool")] = None
    """`none`, `auto`, `required`, or the tool that is to be called."""
    parallel_tool_calls: bool | None = None
    """Whether an answer may hold several calls. Default: true. Only `true` tells the model, too."""
    functions: (
        Annotated[list[Annotated[dict[str, Any], Function]], Meta(max_length=MOST)] | None
    ) = None
    """The older form of `tools`."""
    function_call: Any = None
    """The older form of `tool_choice`."""
    reasoning_effort: Effort | None = None
    """How much a model that can think does: `none` is not at all, `high` without a limit."""
    add_generation_prompt: bool | None = None
    """Whether the prompt ends with the line that has the assistant speak. Default: true."""
    continue_final_message: bool | None = None
    """Whether the answer goes on with the last message, which is the assistant's."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Variables for the chat template."""
    # refused when they ask for something
    modalities: Any = None
    web_search_options: Any = None

    @property
    def end(self) -> PromptEnd:
        """Where the prompt ends."""
        if self.continue_final_message:
            return "inside"
        return "bare" if self.add_generation_prompt is False else "assistant"

    @cached_property
    def think(self) -> Think | None:
        """Whether and how long a model is to think; None: as it usually does."""
        wanted = self.constraint
        if self.checked or (wanted is not None and wanted.kind not in JSON_KINDS):
            return "off"  # the constraint is on all of the text
        return think_of(self.edge and self.edge.think, self.reasoning_effort)

    @cached_property
    def use(self) -> ToolUse | None:
        """The tools that the model is told of; None: none. Raises RequestError."""
        legacy = bool(self.functions) and not self.tools
        choice = self.function_call if legacy else self.tool_choice
        parallel = self.parallel_tool_calls is not False
        return tool_use(self.tools, self.functions, choice, parallel=parallel)

    @property
    @override
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    @override
    def alternatives(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    @override
    def constrained(self) -> bool:
        return self.use is not None or self.constraint is not None

    @override
    def check(self) -> None:
        super().check()
        if self.use is not None and self.checked:  # `use` raises RequestError, too
            message = "`edge.check` cannot go with `tools`: leave out one of them."
            raise RequestError(message, param="edge.check", code="invalid_value")
        if self.continue_final_message and self.messages[-1].role != "assistant":
            raise invalid("continue_final_message", "the last message is not the assistant's")
        if self.continue_final_message and self.add_generation_prompt:
            message = "`add_generation_prompt` cannot go with `continue_final_message`."
            raise RequestError(message, param="add_generation_prompt", code="invalid_value")
        if self.modalities not in (None, [], ["text"]):
            raise unsupported("modalities", "`modalities`: only text is supported.")
        if self.web_search_options is not None:
            raise unsupported("web_search_options", "`web_search_options` is not supported.")
        if self.top_logprobs and not self.logprobs:
            message = "`top_logprobs` needs `logprobs` to be true."
            raise RequestError(message, param="top_logprobs", code="invalid_value")


class ChatCompletions(GenerationEndpoint[ChatRequest]):
    """Continue a conversation.

    The model's chat template writes the prompt.
    """

    prefix = "chatcmpl"

    def __init__(self, context: Context) -> None:
        super().__init__(context, ChatRequest, REFUSED - HONOURED | {"audio"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an error of the engine about the prompt names the messages."""
        try:
            await super().__call__(scope, receive, send)
        except RequestError as error:
            if error.param != "prompt":
                raise
            raise RequestError(str(error), param="messages", code=error.code) from error

    @override
    def topic(self, request: ChatRequest) -> tuple[ChatRequest, str] | None:
        """Return what the user said, if nobody said anything since."""
        *before, last = request.messages
        if any(image_sources(request.messages)):
            return None
        text = last_said([last])
        if not text or len(text) > LONGEST_TEXT:
            return None
        return replace(request, messages=[*before, replace(last, content="")]), text

    @override
    async def timed_prompts(
        self, request: ChatRequest, models: Sequence[Identity], client: str | None
    ) -> list[str]:
        timed = dict.fromkeys(id for one in models for id in one.timed)
        blank = replace(request, messages=with_references(request.messages, ()))
        prompt = self.chat_prompt(blank) if timed else None
        return [await self._written(id, prompt, client) for id in timed if prompt is not None]

    @override
    async def prepare(self, request: ChatRequest, client: str | None) -> Work:
        sources = list(image_sources(request.messages))
        if not sources:
            return await self._prepared(request, client)
        service, at = self.context.service, sources[0].at
        if not service.sees(request.model or "default"):
            raise blind(at)
        images = await self.context.images.decode(sources)
        shown = replace(request, messages=with_references(request.messages, images))
        work = await self._prepared(shown, client, at)
        return work.with_calls(images=tuple(images))

    async def _prepared(
        self, request: ChatRequest, client: str | None, sees: str | None = None
    ) -> Work:
        """Return the work for a request whose images are references; `sees` is where one was."""
        prompt, left_out = self.chat_prompt(request), None
        if sees is None:
            prompt, left_out = await self._shortened(request, prompt, client)
        asked = self.route_request(request, prompt, client)
        asked = asked if sees is None else asked_again(asked, own_tokens=True, sees=sees)
        plan = await self.context.service.router.route(asked)
        fit = self.fit(request, plan)
        if fit is not None:
            request = await self._sharing(request, plan.model, fit)
            prompt = replace(self.chat_prompt(request), messages=prompt.messages)
            if request.edge is not None and request.edge.fit is True and fit.tokens < _LONG:
                words = max(1, round(_WORDS * fit.tokens))
                prompt = replace(prompt, messages=with_note(prompt.messages, _SHORT.format(words)))
                if await self._is_prose(request, plan.model):
                    fit = replace(fit, opening=_OPENING)
            plan = await self.context.service.router.route(asked_again(asked, prompt=prompt))
        assert isinstance(plan.prompt, str)
        reading = await self.reading(request, plan.model, plan.prompt)
        work = self.work(request, asked.id, plan, [plan.prompt], reading)
        work = replace(work, left_out=left_out)
        if request.checked:
            return work
        limit = None if reading is None else limit_of(request.think, reading.format)
        wanted = work.calls[0].constraint
        constraint = chat_constraint(wanted, reading, request.use, thought=limit is not None)
        if limit is not None and fit is not None:
            limit = replace(limit, closing=_ENOUGH)
        return work.with_calls(constraint=constraint).within(limit, fit)

    @override
    async def _place(self, asked: CheckedRequest[ChatRequest], client: str | None) -> Place | None:
        if any(source.url.startswith("file:") for source in image_sources(asked.request.messages)):
            return None  # what it shows may be another image by now
        return await super()._place(asked, client)

    async def _shortened(
        self, request: ChatRequest, prompt: ChatPrompt, client: str | None
    ) -> tuple[ChatPrompt, LeftOut | None]:
        """Return the prompt, shortened where that is allowed and needed, and what was left out."""
        wanted = request.edge and request.edge.context
        if wanted is None:
            wanted = self.context.requests.context
        if wanted is False:
            return prompt, None
        most = wanted.tokens if isinstance(wanted, ContextTerms) else None
        shortener = Shortener(self.context.service, client)
        model = request.model or "default"
        return await shortener.shortened(model, prompt, most, request.most_tokens)

    async def _is_prose(self, request: ChatRequest, model: str) -> bool:
        """Return whether the answer is prose of its own, without thoughts or calls before it."""
        format = await self.context.service.chat_format(model)
        terms = request.edge
        formed = request.constrained and (terms is None or terms.final is None)
        thinks = format.thinking is not None and request.think != "off"
        return request.end == "assistant" and not (formed or thinks)

    async def _sharing(self, request: ChatRequest, model: str, fit: FitLimit) -> ChatRequest:
        """Return the request with thoughts that leave room for the answer, if the model thinks."""
        format = await self.context.service.chat_format(model)
        terms, think = request.edge, request.think
        if format.thinking is None or terms is None or think == "off":
            return request
        limited = think if isinstance(think, ThinkTerms) else ThinkTerms()
        most = max(1, round(_THOUGHTS * fit.tokens))
        tokens = min(most, limited.tokens or most)
        return replace(request, edge=replace(terms, think=replace(limited, tokens=tokens)))

    @override
    def dialect(
        self, request: ChatRequest, head: Head, prompts: Sequence[Text], reader: MakeReader | None
    ) -> Dialect:
        return ChatDialect(
            head,
            include_usage=request.include_usage,
            wants_logprobs=bool(request.logprobs),
            reader=reader,
            legacy=request.use is not None and request.use.legacy,
        )

    @override
    def reader(self, request: ChatRequest, reading: Reading | None) -> MakeReader | None:
        if reading is None:
            return None
        rules = None if request.use is None else request.use.rules
        # Who answers with the result of a call often repeats it as an example.
        fences = request.messages[-1].role not in ("tool", "function")
        return partial(
            answer_reader,
            reading.format,
            None if rules is None else rules.tools,
            opened=reading.opened,
            parallel=rules is None or rules.parallel,
            fences=fences,
        )

    async def reading(self, request: ChatRequest, model: str, prompt: str) -> Reading | None:
        """Return how the answers of a model to that prompt are read."""
        format = await self.context.service.chat_format(model)
        tools, thinking = request.use is not None, format.thinking
        if thinking is None:
            return Reading(format, tools=tools) if tools or format.wrapping else None
        return Reading(format, prompt.rstrip().endswith(thinking.begin), tools)

    async def _written(self, model: str, prompt: ChatPrompt, client: str | None) -> str:
        """Return the prompt, or what speaks against one: another model may answer."""
        try:
            return await self.context.service.render(model, prompt, client)
        except (RequestError, ModelFileError) as error:
            return str(error)

    def chat_prompt(self, request: ChatRequest) -> ChatPrompt:
        """Return what is said in it, for the template of whichever model answers."""
        use, think, effort = request.use, request.think, request.reasoning_effort
        variables = {} if effort in (None, "none") else {"reasoning_effort": effort}
        return ChatPrompt(
            template_messages(request.messages),
            None if use is None else use.told,
            {**variables, **(request.chat_template_kwargs or {})} or None,
            "limited" if isinstance(think, ThinkTerms) else think,
            bool(request.parallel_tool_calls) and use is not None and use.rules.parallel,
            request.end,
        )
