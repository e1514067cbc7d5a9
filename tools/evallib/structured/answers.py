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


@dataclass(frozen=True)
class Pace:
    """Seconds for each token of two answers, by the schema and without."""

    held_s: float
    free_s: float


@dataclass
class Tally:
    """What came of the answers of one way, and how fast they came, by case."""

    way: Way
    asked: int = 0  # texts held to a schema
    failed: list[str] = field(default_factory=list[str])
    finished: int = 0
    invalid: list[str] = field(default_factory=list[str])
    paces: dict[str, Pace] = field(default_factory=dict[str, Pace])
    peer_paces: dict[str, Pace] = field(default_factory=dict[str, Pace])
    peer_failed: list[str] = field(default_factory=list[str])
    mask_ms: list[float] = field(default_factory=list[float])
    forced: int = 0
    tokens: int = 0

    def row(self) -> Row:
        """The figures."""
        both = [case for case in self.paces if case in self.peer_paces]
        ours = speed([self.paces[case] for case in both])
        peers = speed([self.peer_paces[case] for case in both])
        all_paces = list(self.paces.values())
        return {
            "name": self.way.name,
            "asked": self.asked,
            "failed": len(self.failed),
            "finished": self.finished,
            "valid": 1 - len(self.invalid) / self.finished if self.finished else None,
            "tokens_per_s": _rate([pace.held_s for pace in all_paces]),
            "free_tokens_per_s": _rate([pace.free_s for pace in all_paces]),
            "constrained_speed": speed(all_paces),
            "both": len(both),
            "peer_constrained_speed": peers,
            "vs_llama_server": ours / peers if ours and peers else None,
            "peer_failed": len(self.peer_failed),
            "peer_failures": self.peer_failed[:10],
            "mask_ms_per_token": sum(self.mask_ms) / self.tokens if self.tokens else None,
            "forced": self.forced / self.tokens if self.tokens else None,
            "invalid": self.invalid,
            "failures": self.failed[:10],
        }


def speed(paces: Sequence[Pace]) -> float | None:
    """Tokens a second by schemas over those without; None without any."""
    held, free = (sum(times) for times in ([p.held_s for p in paces], [p.free_s for p in paces]))
    return free / held if paces else None


def _rate(token_s: Sequence[float]) -> float | None:
    return len(token_s) / sum(token_s) if token_s else None


async def ask(
    asker: Asker, case: Case, tally: Tally, body: dict[str, Any], *, compare: bool
) -> None:
    """Ask for a document of a case by its schema and, to `compare`, for the same without one."""
    tally.asked += 1
    try:
        held = await asker.ask(body | _format(case))
        pace = await _pace(asker, body, held) if compare else None
    except Unanswered as error:
        tally.failed.append(f"{case.id}: {error}")
        return
    if pace is not None:
        tally.paces[case.id] = pace
    _judge(case, held, tally)


async def ask_peer(peer: Asker, case: Case, tally: Tally, body: dict[str, Any]) -> None:
    """Ask another server the same, for its speeds."""
    try:
        pace = await _pace(peer, body, await peer.ask(body | _format(case)))
    except Unanswered as error:
        tally.peer_failed.append(f"{case.id}: {error}")
        return
    if pace is not None:
        tally.peer_paces[case.id] = pace


def _format(case: Case) -> dict[str, Any]:
    schema = {"type": "json_schema", "json_schema": {"schema": case.schema, "strict": True}}
    return {"response_format": schema}


async def _pace(asker: Asker, body: dict[str, Any], held: Reply) -> Pace | None:
    """The speed of `held`, and of the same without a schema; None where one is too short."""
    free = await asker.ask(body)
    if not (held.tokens_per_s and free.tokens_per_s):
        return None
    return Pace(1 / held.tokens_per_s, 1 / free.tokens_per_s)


def suits(case: Case) -> bool:
    """Return whether a small model can read the schema beside its answer."""
    return len(json.dumps(case.schema)) <= _LONGEST


def request(model: str, case: Case, way: Way, seed: int, max_tokens: int) -> dict[str, Any]:
    """The body of a request for a document of a case, without its schema as a format."""
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
