"""The body of POST /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_rt.api.openai.fields import Count, GenerationFields
from edge_rt.api.openai.messages import MOST, ChatMessage
from edge_rt.api.openai.tools import Tool
from edge_rt.api.openai.unsupported import refuse, unsupported
from edge_rt.core.errors import RequestError


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
    """Functions that are told to the model, if its chat template knows them."""
    tool_choice: Annotated[Any, Meta(description="none or auto")] = None
    """`none` or `auto`; a choice that forces a call is refused."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Variables for the chat template."""
    # refused when they ask for something
    functions: Any = None
    function_call: Any = None
    modalities: Any = None
    audio: Any = None
    web_search_options: Any = None

    @property
    def answer_tokens(self) -> int | None:
        """The most tokens of an answer."""
        return self.max_completion_tokens or self.max_tokens


def check(request: ChatRequest) -> None:
    """Raise RequestError for what types cannot tell."""
    refuse(request, "functions", "audio")
    if request.function_call not in (None, "none", "auto"):
        raise unsupported("function_call", "`function_call` is not supported; use `tools`.")
    if request.modalities not in (None, [], ["text"]):
        raise unsupported("modalities", "`modalities`: only text is supported.")
    if request.web_search_options is not None:
        raise unsupported("web_search_options", "`web_search_options` is not supported.")
    if request.top_logprobs and not request.logprobs:
        message = "`top_logprobs` needs `logprobs` to be true."
        raise RequestError(message, param="top_logprobs", code="invalid_value")


def top_logprobs(request: ChatRequest) -> int | None:
    """How many alternatives are reported a token; None: no log-probabilities at all."""
    return (request.top_logprobs or 0) if request.logprobs else None
