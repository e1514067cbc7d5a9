"""Fields that change what a right answer is and cannot be honoured yet, and unknown fields.

The former are refused by name. The latter are ignored, since clients send fields of other servers
on purpose, but with a warning: a name may be misspelt.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import RequestError

log = logging.getLogger(__name__)

_WARNINGS = 8  # of one request
_LOGGED = 100  # names that the log warns of, each once

_OFF: dict[str, tuple[object, ...]] = {
    "length_penalty": (1,),
    "n_predict": (-1,),
    "reasoning_budget": (-1,),
    "tfs_z": (1,),
    "top_n_sigma": (-1,),
    "typ_p": (1,),
    "typical_p": (1,),
}
"""Values that ask for nothing, beside null, false, 0 and what is empty."""

_USUALLY_TRUE = ("add_generation_prompt", "skip_special_tokens", "spaces_between_special_tokens")

HARMLESS = frozenset(
    [
        "cache_prompt",
        "dry_allowed_length",
        "dry_base",
        "dry_penalty_last_n",
        "dry_sequence_breakers",
        "dynatemp_exponent",
        "guided_decoding_backend",
        "guided_whitespace_pattern",
        "id_slot",
        "metadata",
        "min_keep",
        "mirostat_eta",
        "mirostat_tau",
        "n_keep",
        "parallel_tool_calls",
        "prediction",
        "priority",
        "prompt_cache_key",
        "prompt_cache_retention",
        "request_id",
        "return_progress",
        "return_tokens",
        "safety_identifier",
        "service_tier",
        "store",
        "timings_per_token",
        "user",
        "xtc_threshold",
    ]
)
"""Fields of OpenAI, llama-server and vLLM that change no answer by themselves."""


class ResponseFormat(msgspec.Struct, frozen=True):
    """The kind of answer wanted."""

    type: str


class RefusedFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of both dialects that are refused when they ask for something."""

    response_format: ResponseFormat | None = None
    # llama-server
    grammar: Any = None
    json_schema: Any = None
    samplers: Any = None
    mirostat: Any = None
    typical_p: Any = None
    typ_p: Any = None
    tfs_z: Any = None
    top_n_sigma: Any = None
    xtc_probability: Any = None
    dry_multiplier: Any = None
    dynatemp_range: Any = None
    n_predict: Any = None
    lora: Any = None
    reasoning_budget: Any = None
    # vLLM
    add_generation_prompt: Any = None
    allowed_token_ids: Any = None
    bad_words: Any = None
    chat_template: Any = None
    continue_final_message: Any = None
    documents: Any = None
    include_stop_str_in_output: Any = None
    length_penalty: Any = None
    logits_processors: Any = None
    skip_special_tokens: Any = None
    spaces_between_special_tokens: Any = None
    truncate_prompt_tokens: Any = None
    use_beam_search: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    structured_outputs: Any = None
    min_tokens: Any = None
    prompt_logprobs: Any = None
    stop_token_ids: Any = None


_REFUSED = frozenset(RefusedFields.__struct_fields__) - {"response_format"}


def refuse(fields: RefusedFields, *names: str) -> None:
    """Raise RequestError for the first refused field that is set; `names` are further ones.

    null, false, 0 and what is empty ask for nothing and pass, as do the usual values of others.
    """
    form = fields.response_format
    if form is not None and form.type != "text":
        message = f"`response_format`: only the type text is supported, got {form.type!r}."
        raise unsupported("response_format", message)
    for name in (*RefusedFields.__struct_fields__, *names):
        if name != "response_format" and _asks(name, getattr(fields, name)):
            raise unsupported(name, f"`{name}` is not supported: leave it out.")


def _asks(name: str, value: object) -> bool:
    """Whether a refused field would change the answer."""
    if name in _USUALLY_TRUE:
        return value not in (None, True)
    return bool(value) and value not in _OFF.get(name, ())


def unsupported(param: str, message: str) -> RequestError:
    """The error for a field that cannot be honoured."""
    return RequestError(message, param=param, code="unsupported_parameter")


class UnknownFields:
    """Warns of the fields of one endpoint's requests that are ignored."""

    def __init__(self, request: type[msgspec.Struct]) -> None:
        """`request` is what bodies are decoded to."""
        fields = request.__struct_fields__
        self._silent = HARMLESS.union(fields)
        self._usable = [name for name in fields if name not in _REFUSED]
        self._logged: set[str] = set()
        self._decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def warnings(self, body: bytes) -> Iterator[str]:
        """A sentence for each unknown field of a body that could be decoded, up to a few."""
        names = [name for name in self._decoder.decode(body) if name not in self._silent]
        for name in islice(names, _WARNINGS):
            warning = _unknown(name, self._usable)
            if warning not in self._logged and len(self._logged) < _LOGGED:
                self._logged.add(warning)  # and not the name, which may be long
                log.warning("a request has a field that is ignored: %s", warning)
            yield warning
        if len(names) > _WARNINGS:
            yield f"{len(names) - _WARNINGS} more unknown fields were ignored."


def _unknown(name: str, usable: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:64], usable, 1)
    meant = f" Did you mean `{near[0]}`?" if near else ""
    return f"The field `{describe(name)[1:-1]}` is unknown and was ignored.{meant}"
