"""Answers of a model that keep to a JSON Schema, and what that costs in speed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from evallib.asker import Asker, Reply, Unanswered
from evallib.document import Row
from evallib.structured.maskbench import Case

_PROMPT = "Write one JSON document with plausible values that is valid by this JSON Schema:\n{}"
_LONGEST = 1500  # characters of a schema in a prompt


@dataclass(frozen=True)
class Way:
    """How tokens are drawn."""

    name: str
    temperature: float
    edge: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Tally:
    """What came of the answers of one way."""

    way: Way
    asked: int = 0  # texts held to a schema; the same is asked without one
    failed: list[str] = field(default_factory=list[str])
    finished: int = 0
    invalid: list[str] = field(default_factory=list[str])
    token_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    mask_ms: list[float] = field(default_factory=list[float])
    forced: int = 0
    tokens: int = 0

    def row(self) -> Row:
        """The figures."""
        held, free = (len(times) / sum(times) if times else None for times in self.token_s)
        return {
            "name": self.way.name,
            "asked": self.asked,
            "failed": len(self.failed),
            "finished": self.finished,
            "valid": 1 - len(self.invalid) / self.finished if self.finished else None,
            "tokens_per_s": held,
            "free_tokens_per_s": free,
            "constrained_speed": held / free if held and free else None,
            "mask_ms_per_token": sum(self.mask_ms) / self.tokens if self.tokens else None,
            "forced": self.forced / self.tokens if self.tokens else None,
            "invalid": self.invalid,
            "failures": self.failed[:10],
        }


async def ask(
    asker: Asker, model: str, case: Case, tally: Tally, seed: int, max_tokens: int
) -> None:
    """Ask for a document of a case, once by its schema and once without."""
    body = _body(model, case, tally.way, seed, max_tokens)
    schema = {"type": "json_schema", "json_schema": {"schema": case.schema, "strict": True}}
    tally.asked += 1
    try:
        held = await asker.ask(body | {"response_format": schema})
        free = await asker.ask(body)
    except Unanswered as error:
        tally.failed.append(f"{case.id}: {error}")
        return
    for times, reply in zip(tally.token_s, (held, free), strict=True):
        if reply.edge.get("tokens_per_s"):
            times.append(1 / reply.edge["tokens_per_s"])
    _judge(case, held, tally)


def suits(case: Case) -> bool:
    """Whether a small model can read the schema beside its answer."""
    return len(json.dumps(case.schema)) <= _LONGEST


def _body(model: str, case: Case, way: Way, seed: int, max_tokens: int) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": _PROMPT.format(json.dumps(case.schema))}],
        "max_tokens": max_tokens,
        "temperature": way.temperature,
        "seed": seed,
        "edge": {"cache": "off", **way.edge},
    }


def _judge(case: Case, reply: Reply, tally: Tally) -> None:
    cost = reply.edge.get("constraint") or {}
    tally.tokens += reply.tokens
    tally.mask_ms.append(cost.get("mask_ms", 0.0))
    tally.forced += cost.get("forced_tokens", 0)
    if reply.reason != "stop":
        return
    tally.finished += 1
    try:
        Draft202012Validator(case.schema).validate(json.loads(reply.text))
    except (ValueError, ValidationError) as error:
        tally.invalid.append(f"{case.id}: {str(error)[:200]}: {reply.text[:300]}")


def rows(tallies: Sequence[Tally]) -> list[Row]:
    """The figures of all ways."""
    return [tally.row() for tally in tallies]
