"""Fields that change what a right answer is and cannot be honoured yet.

Most fields that are not known may be ignored: the answer is still one that the client can use.
These may not, so they are refused by name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge_rt.errors import RequestError


class ResponseFormat(msgspec.Struct, frozen=True):
    """The kind of answer wanted."""

    type: str


class RefusedFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of both dialects that are refused when they ask for something."""

    response_format: ResponseFormat | None = None
    # llama-server
    grammar: Any = None
    json_schema: Any = None
    # vLLM
    guided_choice: Any = None
    guided_grammar: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    structured_outputs: Any = None
    min_tokens: Any = None
    prompt_logprobs: Any = None
    stop_token_ids: Any = None


def refuse(fields: RefusedFields, *names: str) -> None:
    """Raise RequestError for the first refused field that is set; `names` are further ones.

    null, false, 0 and what is empty ask for nothing and pass.
    """
    form = fields.response_format
    if form is not None and form.type != "text":
        message = f"`response_format`: only the type text is supported, got {form.type!r}."
        raise unsupported("response_format", message)
    for name in (*RefusedFields.__struct_fields__, *names):
        if name != "response_format" and getattr(fields, name):
            raise unsupported(name, f"`{name}` is not supported.")


def unsupported(param: str, message: str) -> RequestError:
    """The error for a field that cannot be honoured."""
    return RequestError(message, param=param, code="unsupported_parameter")
