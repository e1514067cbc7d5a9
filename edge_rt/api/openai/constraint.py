"""The fields of a request that say what the text of its answers must be, and what checks it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec.structs import replace

from edge_rt.api.allowance import FinalTerms, Terms
from edge_rt.api.openai.messages import ToolUse
from edge_rt.config.schema import AnswerChecker
from edge_rt.core.chat_format import ChatFormat, Reading
from edge_rt.core.decoding import CheckerSpec, Constraint
from edge_rt.core.errors import RequestError, invalid
from edge_rt.generation.tools.grammar import FreeText, grammar
from edge_rt.generation.tools.schemas import without_others

NamedT = TypeVar("NamedT")
_GBNF = re.compile(r"^\s*[A-Za-z][A-Za-z0-9-]*\s*::=", re.MULTILINE)  # Lark's rules have a colon
JSON_KINDS = ("json_object", "json_schema")  # of constraints that are a part of a grammar
_MOST = 16  # names that an error tells


class JsonSchemaFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON Schema, and how strictly answers keep to it."""

    name: str | None = None
    """Name of the schema; it changes nothing."""
    description: str | None = None
    """What the answer is for; it changes nothing."""
    schema: dict[str, Any] | bool | None = None
    """JSON Schema, draft 2020-12. Answers have its properties in the order given here."""
    strict: bool | None = None
    """Whether a keyword that cannot be enforced is an error; else it is ignored, and objects have
    no properties but those that are named, unless `additionalProperties` says so. Default:
    false."""


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kind of answer wanted."""

    type: str
    """`text`, `json_object` or `json_schema`."""
    json_schema: JsonSchemaFormat | None = None
    """Of the type `json_schema`: the schema."""
    schema: dict[str, Any] | None = None
    """Of the type `json_object`: a JSON Schema, as llama-server takes it."""


def constraint_of(
    response_format: ResponseFormat | None,
    json_schema: dict[str, Any] | None,
    grammar_text: str | None,
    terms: Terms,
) -> Constraint | None:
    """Return what the text of the answers must be; None: anything.

    Raises RequestError where two fields say it, or one says nothing that can be.
    """
    choice = terms.choice
    kind = "gbnf" if _GBNF.search(grammar_text or "") else "lark"
    found = [
        _of_format(response_format),
        None if json_schema is None else _of_alone(json_schema, "json_schema"),
        None if not grammar_text else Constraint(kind, grammar_text, param="grammar"),
        None if terms.regex is None else Constraint("regex", terms.regex, param="edge.regex"),
        None if choice is None else Constraint("choice", json.dumps(choice), param="edge.choice"),
        None if terms.final is None else _of_final(terms.final),
    ]
    said = [constraint for constraint in found if constraint is not None]
    if len(said) > 1:
        names = " and ".join(f"`{one.param}`" for one in said)
        message = f"{names} each say what the answer must be: send one of them."
        raise RequestError(message, param=said[1].param, code="invalid_value")
    return said[0] if said else None


def _of_format(wanted: ResponseFormat | None) -> Constraint | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object" and wanted.schema is None:
        return Constraint("json_object")
    if wanted.type not in ("json_object", "json_schema"):
        raise invalid(
            "response_format.type",
            f"expected text, json_object or json_schema, got {wanted.type!r:.80}",
        )
    given = wanted.json_schema
    if wanted.schema is not None and (given is None or wanted.type == "json_object"):
        return _of_alone(wanted.schema, "response_format")
    if given is None or given.schema is None:
        raise invalid("response_format.json_schema", "expected an object with a `schema`")
    strict = bool(given.strict)
    return _of_schema(given.schema, strict=strict, to_the_letter=strict)


def _of_alone(schema: dict[str, Any], param: str) -> Constraint:
    """Return the constraint of a schema as llama-server takes it, without name and strictness."""
    return _of_schema(schema, strict=True, to_the_letter=False, param=param)


def _of_schema(
    schema: dict[str, Any] | bool | None,
    *,
    strict: bool,
    to_the_letter: bool,
    param: str = "response_format",
) -> Constraint:
    if isinstance(schema, dict) and not to_the_letter:
        schema = without_others(schema)
    try:
        return Constraint("json_schema", json.dumps(schema), strict, param)
    except RecursionError:
        raise invalid(param, "the schema is nested too deeply") from None


def _of_final(final: FinalTerms) -> Constraint:
    before = json.dumps(final.before, ensure_ascii=False)
    regex = re.sub(r"(?<!\\)/", r"\\/", final.regex)
    text = f"start: text FINAL\ntext[suffix={before}]: /(?s:.*)/\nFINAL: /{regex}/"
    return Constraint("lark", text, param="edge.final")


def chat_constraint(
    wanted: Constraint | None, reading: Reading | None, use: ToolUse | None, *, thought: bool
) -> Constraint | None:
    """Return the constraint of an answer of which `wanted` is asked; None: it may be anything.

    `thought`: the thoughts are a call of their own. Raises RequestError for a constraint that
    cannot go with tools.
    """
    if reading is None:
        return wanted
    format = replace(reading.format, thinking=None) if thought else reading.format
    opened, free = reading.opened and not thought, _free(wanted)
    if use is not None:
        if free is None and wanted is not None:
            message = f"`{wanted.param}` cannot go with `tools`: leave out one of them."
            raise RequestError(message, param=wanted.param, code="invalid_value")
        text = grammar(format, use.rules, opened=opened, free=free)
        return Constraint("lark", text, param="functions" if use.legacy else "tools")
    plain = not (format.thinking or format.wrapping or format.channels)
    if plain or (wanted is not None and free is None):
        return wanted
    if wanted is None and not _hidden(format):
        return None
    param = "messages" if wanted is None else wanted.param
    return Constraint("lark", grammar(format, None, opened=opened, free=free), param=param)


def _free(wanted: Constraint | None) -> FreeText | None:
    """Text in JSON, as a part of a grammar; None for what is no JSON."""
    if wanted is None or wanted.kind not in JSON_KINDS:
        return None
    schema: Any = msgspec.json.decode(wanted.text) if wanted.text else {"type": "object"}
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    return FreeText(cast("dict[str, Any]", schema), lenient=not wanted.strict)


def _hidden(format: ChatFormat) -> bool:
    """Return whether a marker of thoughts or text has a control token, which only grammars show."""
    thinking = format.thinking
    markers = (*format.wrapping, *(() if thinking is None else (thinking.begin, thinking.end)))
    return format.channels or any(token in mark for token in format.control for mark in markers)


def checker_of(terms: Terms | None, checkers: Mapping[str, CheckerSpec]) -> CheckerSpec | None:
    """Return the configured program that a request names; None: it names none.

    Raises RequestError.
    """
    name = None if terms is None else terms.check
    if terms is None or name is None:
        return None
    if terms.cache not in (None, "off"):
        message = "`edge.cache` cannot go with `edge.check`: answers under a check are not kept."
        raise RequestError(message, param="edge.cache", code="invalid_value")
    return _named(name, checkers, "edge.check", "checks")


def judge_named(name: str, judges: Mapping[str, AnswerChecker]) -> AnswerChecker:
    """Return the configured program that judges whole answers; raises RequestError."""
    return _named(name, judges, "edge.samples.accept.checker", "checkers")


def _named(name: str, known: Mapping[str, NamedT], param: str, section: str) -> NamedT:
    if name in known:
        return known[name]
    names = ", ".join(sorted(known)[:_MOST])
    what = f"there is no checker {name!r:.80}; there are: {names}."
    if not known:
        what = (
            f"no checker is configured; `{section}: {{NAME: {{command: [PROGRAM, ARGUMENT]}}}}` in "
            "config.yaml configures one."
        )
    raise RequestError(f"`{param}`: {what}", param=param, code="unknown_check")
