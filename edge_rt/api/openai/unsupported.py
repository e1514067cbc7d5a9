"""Fields that change what a right answer is and cannot be honoured yet, and unknown fields.

The former are refused by name. The latter are ignored, since clients send fields of other servers
on purpose, but with a warning: a name may be misspelt. The same holds for the objects of a
conversation, into which clients copy what servers answered. Objects that hold settings refuse
unknown fields (`forbid_unknown_fields` of their types).
"""

from __future__ import annotations

import logging
import typing
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from edge_rt.api.middleware.decode import decode, did_you_mean, objects, told_path
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
        # of objects: what clients copy from earlier answers, and hints for caches of other servers
        *("messages.annotations", "messages.audio", "messages.cache_control", "messages.id"),
        *("messages.parsed", "messages.tool_calls.function.parsed_arguments"),
        "messages.provider_specific_fields",
        "messages.tool_calls.function.provider_specific_fields",
        "messages.tool_calls.provider_specific_fields",
        *("messages.content.cache_control", "messages.content.prompt_cache_breakpoint"),
        *("messages.tool_calls.index", "messages.tool_calls.function.index"),
        *("messages.tool_calls.type", "tools.cache_control", "tools.function.cache_control"),
        *("tools.allowed_callers", "tools.defer_loading", "tools.output_schema"),
        *("input.id", "input.status", "input.phase", "input.caller", "input.namespace"),
        *("input.content.annotations", "input.content.logprobs"),
        *("input.content.prompt_cache_breakpoint", "input.output.prompt_cache_breakpoint"),
    ]
)
"""Fields of OpenAI, llama-server, vLLM and Ollama that change no answer by themselves."""

_NOT_LOOKED_INTO = frozenset(
    [
        "documents",  # what else a document has is the client's own data
        "options",  # told with those of Ollama's that are not honoured
    ]
)


REFUSED = frozenset(
    (
        *("mirostat", "typical_p", "typ_p", "tfs_z"),
        *("top_n_sigma", "xtc_probability", "dynatemp_range", "n_predict"),
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


class _Strange(NamedTuple):
    """An unknown field `name` of the object at `at`, which has the fields `known`."""

    at: str
    name: str
    known: tuple[str, ...]


class _Shape:
    """The names of an object's fields, and the shapes of the objects in them."""

    def __init__(self, kind: type[msgspec.Struct], path: str = "") -> None:
        """`path` is where such objects stand, without places in arrays, and with a dot behind."""
        self._known, self._path = kind.__struct_encode_fields__, path
        self._names = frozenset(self._known)
        self.inner = {
            name: _shape(one, f"{path}{name}.")
            for name, hint in typing.get_type_hints(kind, include_extras=True).items()
            if path + name not in _NOT_LOOKED_INTO
            for one in objects(hint)
            if not one.__struct_config__.forbid_unknown_fields
        }

    def look(self, value: dict[str, Any], at: str, found: dict[str, _Strange]) -> None:
        """Add the unknown fields of an object that are not null to `found`, by their paths."""
        if not value.keys() <= self._names:
            for name in value:
                if name not in self._names and value[name] not in (None, _NULL):
                    found.setdefault(self._path + name, _Strange(at[1:], name, self._known))
        for name, shape in self.inner.items():
            held = value.get(name)
            if isinstance(held, dict):
                shape.look(cast("dict[str, Any]", held), f"{at}.{name}", found)
            elif isinstance(held, list):
                for place, one in enumerate(cast("list[object]", held)):
                    if isinstance(one, dict):
                        where = f"{at}.{name}[{place}]"
                        shape.look(cast("dict[str, Any]", one), where, found)


_shape = cache(_Shape)  # type hints are slow to read, and the endpoints share types


class BodyReader(Generic[T]):
    """Decodes the bodies of one endpoint; refuses some fields, and warns of those it ignores."""

    def __init__(self, kind: type[T], refused: Collection[str] = ()) -> None:
        """`kind` is the type to which bodies are decoded, without the fields `refused`."""
        self._kind, self._shape, self._refused = kind, _shape(kind), refused
        self._silent = HARMLESS.union(refused)
        self._logged: set[str] = set()

    def read(self, body: bytes, warnings: list[str]) -> T:
        """Return a body, and add to `warnings`; raises RequestError."""
        request = decode(self._kind, body)
        warnings += self._warnings(body)
        return request

    def _warnings(self, body: bytes) -> list[str]:
        """Return sentences about the unknown fields of a body that could be decoded, up to a few.

        One that several objects of an array have is told once. Raises RequestError for a refused
        field that asks for something.
        """
        said = decode(
            dict[str, msgspec.Raw], body
        )  # a prompt of many token ids is not decoded again
        for name in said:
            if name in self._refused and _asks(name, _value(said[name])):
                instead = _INSTEAD.get(name, "leave it out")
                raise unsupported(name, f"`{name}` is not supported: {instead}.")
        found: dict[str, _Strange] = {}
        inner = self._shape.inner
        held = {name: _value(raw) if name in inner else raw for name, raw in said.items()}
        self._shape.look(held, "", found)
        paths = [path for path in found if path not in self._silent]
        told = [self._warning(path, found[path]) for path in paths[:_WARNINGS]]
        if len(paths) > _WARNINGS:
            told.append(f"{len(paths) - _WARNINGS} more unknown fields were ignored.")
        return told

    def _warning(self, path: str, one: _Strange) -> str:
        logged = unknown_and_ignored(path.rpartition(".")[0], one.name, one.known)
        if logged not in self._logged and len(self._logged) < _LOGGED:
            self._logged.add(logged)  # and not the name, which may be long
            log.warning("a request has a field that is ignored: %s", logged)
        return unknown_and_ignored(*one)


def _value(raw: msgspec.Raw) -> object:
    return decode(object, bytes(raw))


def unknown_and_ignored(at: str, name: str, known: Iterable[str]) -> str:
    """Return the warning of an unknown field of the object at `at`."""
    meant = did_you_mean(at, name, known)
    return f"The field `{told_path(at, name)}` is unknown and was ignored.{meant}"
