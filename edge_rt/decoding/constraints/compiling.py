"""Compile the constraint of a request with llguidance, or tell the place where it is at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.gbnf_to_lark import gbnf_to_lark

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError

_ONE = (  # keywords whose value is a schema
    *("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not"),
    *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_MANY = ("allOf", "anyOf", "items", "oneOf", "prefixItems")  # a list of schemas
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_SHARED = ("$defs", "definitions", "$schema", "$id")  # of the whole schema, for references
_MOST = 400  # schemas that are tried

Fields = dict[str, Any]
Check = Callable[[Any], str]
"""Tells what is wrong with a schema; "": nothing."""

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


class Fault(NamedTuple):
    """The keyword at fault, None: no single one; the JSON Pointer (RFC 6901) to it; and why."""

    place: str
    keyword: str | None
    why: str


def find_fault(schema: Any, check: Check) -> Fault | None:
    """Return the keyword at fault in the innermost part that `check` complains of.

    None: nothing is wrong, or nothing was found.
    """
    return _Search(schema, check).find()


class _Search:
    def __init__(self, schema: Any, check: Check) -> None:
        self._schema, self._check, self._left = schema, check, _MOST
        self._followed: set[str] = set()

    def find(self, place: str = "") -> Fault | None:
        """Search in the part at `place`, and in what is referred to from there."""
        part = _at(self._schema, place)
        why = self._why(part)
        while why:
            inner = next(self._faulty(part), None)
            if inner is None:
                fault = self._keyword(place, _fields(part), why)
                return self._behind(fault, _fields(part)) or fault
            step, part, why = inner
            place += step
        return None

    def _behind(self, fault: Fault, part: Fields) -> Fault | None:
        """Return what is wrong with the target where a reference is at fault."""
        target = part.get("$ref") if fault.keyword == "$ref" else None
        if not isinstance(target, str) or not target.startswith("#/") or target in self._followed:
            return None
        self._followed.add(target)
        return self.find(target[1:])

    def _faulty(self, part: Any) -> Iterator[tuple[str, Any, str]]:
        for step, inner in parts(part):
            if why := self._why(inner):
                yield step, inner, why

    def _keyword(self, place: str, part: Fields, why: str) -> Fault:
        names = [name for name in part if name not in _SHARED]
        for name in names:
            if not self._why({key: value for key, value in part.items() if key != name}):
                return Fault(f"{place}/{_escaped(name)}", name, why)
        for name in names:  # several are at fault: the first that is so by itself
            if self._why({name: part[name]}):
                return Fault(f"{place}/{_escaped(name)}", name, why)
        return Fault(place, None, why)

    def _why(self, part: Any) -> str:
        if self._left == 0:
            return ""
        self._left -= 1
        if isinstance(part, dict):
            whole = _fields(self._schema)
            part = {name: whole[name] for name in _SHARED if name in whole} | _fields(part)
        return self._check(part).partition("\n")[0]


def parts(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas right inside a schema, each with the end of its JSON Pointer."""
    # References lead to the shared ones, which are to be blamed themselves.
    for name, value in sorted(_fields(schema).items(), key=lambda item: item[0] not in _SHARED):
        if name in _NAMED:
            yield from ((f"/{name}/{_escaped(key)}", one) for key, one in _fields(value).items())
        elif name in _MANY and isinstance(value, list):
            inner = cast(list[Any], value)
            yield from ((f"/{name}/{index}", one) for index, one in enumerate(inner))
        elif name in _ONE and isinstance(value, dict):
            yield f"/{name}", value


def _fields(value: Any) -> Fields:
    return cast(Fields, value) if isinstance(value, dict) else {}


def _at(schema: Any, place: str) -> Any:
    """Return the part at a JSON Pointer; {} where there is none."""
    for step in place.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = _fields(schema).get(key, {})
        if isinstance(schema, list) and key.isdigit():
            found = dict(enumerate(cast(list[Any], schema))).get(int(key), {})
        schema = found
    return schema


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def compiled(constraint: Constraint, tokenizer: LLTokenizer, names: Mapping[str, int]) -> LLMatcher:
    """Return the grammar at its beginning; RequestError, with the place, where there can be none.

    `names` has the special tokens of the model.
    """
    if constraint.kind == "json_schema":
        return _of_schema(constraint, tokenizer)
    try:
        grammar = grammar_of(constraint, names)
    except Exception as error:  # the converter of GBNF raises bare ones
        raise _refused(constraint, str(error)) from error
    native = LLMatcher(tokenizer, grammar, log_level=0, limits=_LIMITS)
    if native.is_error():
        raise _refused(constraint, native.get_error())
    return native


def grammar_of(constraint: Constraint, names: Mapping[str, int]) -> str:
    """Return what is asked for, other than a schema, in llguidance's words.

    May raise any Exception.
    """
    makers: dict[str, Callable[[str], str]] = {
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


def _of_schema(constraint: Constraint, tokenizer: LLTokenizer) -> LLMatcher:
    schema = json.loads(constraint.text)
    native = LLMatcher(tokenizer, schema_grammar(schema), log_level=0, limits=_LIMITS)
    if native.is_error() and not constraint.strict:
        native = LLMatcher(
            tokenizer, schema_grammar(schema, lenient=True), log_level=0, limits=_LIMITS
        )
    if not native.is_error():
        return native
    fault = find_fault(schema, lambda part: validated(part, lenient=not constraint.strict))
    raise _unenforceable(constraint, fault or Fault("", None, native.get_error()))


def validated(schema: Any, *, lenient: bool = False) -> str:
    """Return what is wrong with a schema; "" where nothing is."""
    return LLMatcher.validate_grammar(schema_grammar(schema, lenient=lenient), limits=_LIMITS)


def _unenforceable(constraint: Constraint, fault: Fault) -> RequestError:
    what = "the schema" if fault.keyword is None else f"the keyword `{fault.keyword}`"
    place = f" at `{fault.place}`" if fault.place else ""
    return _error(constraint, f"{what}{place} cannot be enforced: {fault.why}")


def _refused(constraint: Constraint, why: str) -> RequestError:
    return _error(constraint, f"it cannot be compiled: {why}")


def _error(constraint: Constraint, what: str) -> RequestError:
    message = f"`{constraint.param}`: {' '.join(what.split())}"
    return RequestError(message, param=constraint.param, code="invalid_constraint")
