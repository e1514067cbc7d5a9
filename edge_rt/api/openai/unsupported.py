"""Fields that change what a right answer is and cannot be honoured yet, and unknown fields.

The former are refused by name. The latter are ignored, since clients send fields of other servers
on purpose, but with a warning: a name may be misspelt. Objects that hold settings refuse unknown
fields (`forbid_unknown_fields` of their types); those of a conversation, into which clients copy
what servers answered, may have any.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

import msgspec

from edge_rt.api.middleware.decode import decode, did_you_mean, told_path
from edge_rt.core.errors import RequestError

log = logging.getLogger(__name__)
T = TypeVar("T", bound=msgspec.Struct)

_NULL = msgspec.Raw(b"null")
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

_SCHEMA = "send the schema as `response_format` of the type json_schema"
_INSTEAD = {
    "guided_choice": "send the choices as `edge.choice`",
    "guided_grammar": "send the grammar as `grammar`",
    "guided_json": _SCHEMA,
    "guided_regex": "send the expression as `edge.regex`",
    "dry_multiplier": "keep repetitions away by `repeat_penalty` or `frequency_penalty`",
    "n_predict": "send the number as `max_tokens`",
    "structured_outputs": "send it as `response_format`, `grammar`, `edge.regex` or `edge.choice`",
    "mirostat": "no answer could go on in another engine, for its state is in none of the tokens; "
    "leave it out, and keep unlikely tokens away by `min_p` or `top_p`",
}
"""What to do in place of leaving a refused field out."""

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
"""Fields of OpenAI, llama-server, vLLM and Ollama that change no answer by themselves."""

REFUSED = frozenset(
    (
        *("mirostat", "typical_p", "typ_p", "tfs_z"),
        *("top_n_sigma", "xtc_probability", "dynatemp_range", "dry_multiplier", "n_predict"),
        "reasoning_budget",  # up to here llama-server's, then vLLM's
        *("add_generation_prompt", "allowed_token_ids", "bad_words", "chat_template"),
        *("continue_final_message", "documents", "include_stop_str_in_output", "length_penalty"),
        *("logits_processors", "skip_special_tokens", "spaces_between_special_tokens"),
        *("truncate_prompt_tokens", "use_beam_search", "guided_choice", "guided_grammar"),
        *("guided_json", "guided_regex", "structured_outputs", "min_tokens", "prompt_logprobs"),
        "stop_token_ids",
    )
)
"""Fields of both dialects that are refused when they ask for something."""


def _asks(name: str, value: object) -> bool:
    """Return whether a refused field would change the answer.

    null, false, 0 and what is empty ask for nothing, as do the usual values of others.
    """
    if name in _USUALLY_TRUE:
        return value not in (None, True)
    return bool(value) and value not in _OFF.get(name, ())


def unsupported(param: str, message: str) -> RequestError:
    """Return the error for a field that cannot be honoured."""
    return RequestError(message, param=param, code="unsupported_parameter")


class BodyReader(Generic[T]):
    """Decodes the bodies of one endpoint; refuses some fields, and warns of those it ignores."""

    def __init__(self, kind: type[T], refused: Collection[str] = ()) -> None:
        """`kind` is the type to which bodies are decoded, without the fields `refused`."""
        self._kind, self._known, self._refused = kind, kind.__struct_encode_fields__, refused
        self._silent = HARMLESS.union(refused, self._known)
        self._logged: set[str] = set()

    def read(self, body: bytes, warnings: list[str]) -> T:
        """Return a body, and add to `warnings`; raises RequestError."""
        request = decode(self._kind, body)
        warnings += self._warnings(body)
        return request

    def _warnings(self, body: bytes) -> list[str]:
        """Return sentences about the unknown fields of a body that could be decoded, up to a few.

        Raises RequestError for a refused field that asks for something.
        """
        # The values stay encoded: a prompt of many token ids is not decoded again.
        said = decode(dict[str, msgspec.Raw], body)
        for name in said:
            if name in self._refused and _asks(name, decode(object, bytes(said[name]))):
                instead = _INSTEAD.get(name, "leave it out")
                raise unsupported(name, f"`{name}` is not supported: {instead}.")
        names = [name for name in said if name not in self._silent and said[name] != _NULL]
        told = [unknown_and_ignored("", name, self._known) for name in names[:_WARNINGS]]
        for warning in told:
            if warning not in self._logged and len(self._logged) < _LOGGED:
                self._logged.add(warning)
                log.warning("a request has a field that is ignored: %s", warning)
        if len(names) > _WARNINGS:
            told.append(f"{len(names) - _WARNINGS} more unknown fields were ignored.")
        return told


def unknown_and_ignored(at: str, name: str, known: Iterable[str]) -> str:
    """Return the warning of an unknown field of the object at `at`."""
    meant = did_you_mean(at, name, known)
    return f"The field `{told_path(at, name)}` is unknown and was ignored.{meant}"
