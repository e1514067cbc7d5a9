"""Compile the constraint of a request with llguidance, or tell why it cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.gbnf_to_lark import gbnf_to_lark

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError

# White space that models write: one space, or a line feed and an indentation. With more of it small
# models write nothing else until the answer is full.
_BLANK = r"[ ]|\n[ \t]{0,32}"
# Twenty times as much as usual, some 0.4 s: where the lexer has used it up, in the middle of an
# answer, llguidance forbids what is allowed.
_LIMITS = LLParserLimits(initial_lexer_fuel=20_000_000)
_LEXEMES = re.compile(
    r'"(?:\\.|[^"\\])*"'  # strings, also those of JSON
    r"|//[^\n]*|\#[^\n]*"  # comments
    r"|/(?:\\.|[^/\\\n])+/"  # regular expressions
    r"|<(?P<name>(?:\|\"\||[^<>\s\"])+)>"  # one may hold a quote, as in `<|"|>`
)
_DRAFT = re.compile(r"https?://json-schema\.org/(draft-0[3-7])/schema#?")
_NEWER = re.compile(r"https://json-schema\.org/draft/20(19-09|20-12)/schema#?")
_BESIDE = ("$defs", "$id", "$ref", "$schema", "definitions", "id")
_IDS = re.compile(r"\[[\d,*^-]+\]")  # llguidance's own way to name tokens


def compiled(constraint: Constraint, tokenizer: LLTokenizer, names: Mapping[str, int]) -> LLMatcher:
    """Return the grammar at its beginning; RequestError, with the reason, where there can be none.

    `names` has the special tokens of the model.
    """
    try:
        native = LLMatcher(tokenizer, grammar_of(constraint, names), log_level=0, limits=_LIMITS)
    except Exception as error:  # the converter of GBNF raises bare ones
        raise _refused(constraint, str(error)) from error
    if native.is_error() and constraint.kind == "json_schema" and not constraint.strict:
        lenient = schema_grammar(json.loads(constraint.text), lenient=True)
        native = LLMatcher(tokenizer, lenient, log_level=0, limits=_LIMITS)
    if native.is_error():
        raise _refused(constraint, native.get_error())
    return native


def grammar_of(constraint: Constraint, names: Mapping[str, int]) -> str:
    """Return the constraint as a grammar of llguidance's.

    May raise any Exception.
    """
    makers: dict[str, Callable[[str], str]] = {
        "json_schema": lambda text: schema_grammar(json.loads(text)),
        "json_object": lambda text: schema_grammar({"type": "object"}),
        "lark": lambda text: with_tokens(text, names),
        "gbnf": gbnf_to_lark,
        "regex": LLMatcher.grammar_from_regex,
        "choice": _of_choices,
    }
    return makers[constraint.kind](constraint.text)


def schema_grammar(schema: Any, *, lenient: bool = False) -> str:
    """Return a grammar of the JSON texts valid by `schema`, with its order of properties."""
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    schema = _of_dialect(schema)
    return LLMatcher.grammar_from_json_schema(
        schema, defaults={"whitespace_pattern": _BLANK, "lenient": lenient}
    )


def _of_dialect(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema as llguidance reads it, which takes no dialect that it does not know.

    Up to draft 7 what stands beside a reference is ignored.
    """
    said = str(schema.get("$schema", ""))
    if old := _DRAFT.fullmatch(said):
        return _without_siblings(schema) | {"$schema": f"http://json-schema.org/{old[1]}/schema#"}
    if _NEWER.fullmatch(said):
        return schema
    return {name: value for name, value in schema.items() if name != "$schema"}


def _without_siblings(part: Any) -> Any:
    """Return a part of an old schema without the keywords beside references.

    They mean nothing there.
    """
    if isinstance(part, list):
        return [_without_siblings(one) for one in cast(list[Any], part)]
    if not isinstance(part, dict):
        return part
    fields = cast(dict[str, Any], part)
    alone = isinstance(fields.get("$ref"), str)
    kept = {name: one for name, one in fields.items() if not alone or name in _BESIDE}
    return {name: _without_siblings(one) for name, one in kept.items()}


def named_tokens(text: str, names: Mapping[str, int]) -> list[int]:
    """Return the special tokens that a Lark grammar names."""
    found = (match["name"] for match in _LEXEMES.finditer(text))
    ids = (_token(name, names) for name in found if name is not None)
    return [token for token in ids if token is not None]


def with_tokens(text: str, names: Mapping[str, int]) -> str:
    """Return a Lark grammar with the names of unknown special tokens as plain texts."""

    def put(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None or _IDS.fullmatch(name):
            return match[0]
        token = _token(name, names)
        if token is not None:
            return f"<[{token}]>"
        return json.dumps(name if name.startswith("[") else match[0])

    return _LEXEMES.sub(put, text)


def _token(name: str, names: Mapping[str, int]) -> int | None:
    """Return the special token that is called so, with or without the angle brackets."""
    return names.get(f"<{name}>", names.get(name))


def _of_choices(text: str) -> str:
    choices: list[str] = json.loads(text)
    return "start: CHOICE\nCHOICE: " + " | ".join(map(json.dumps, choices))


def _refused(constraint: Constraint, why: str) -> RequestError:
    message = f"`{constraint.param}`: it cannot be enforced: {' '.join(why.split())}"
    return RequestError(message, param=constraint.param, code="invalid_constraint")
