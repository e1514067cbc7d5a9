"""The report of the cache as a table."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import MISSING, counted, joules, line, member, members, number, whole
from edge_rt.cli.words.quantity import readable
from edge_rt.cli.words.tables import Column, Prose, Table

_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("client", text=True, kept=True),
    Column("answers", kept=True),
    *map(Column, ("size", "oldest", "newest")),
)


def cache_table(report: Json, now: float | None = None) -> RenderableType:
    """All of it; ages are those at `now` in Unix seconds, None: at this moment."""
    if report.get("enabled") is not True:
        return Prose("The cache is off: set cache.enabled in the configuration.")
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The file cannot be written; the latest answers are kept in memory.\n"))
    groups = members(report, "groups")
    parts.append(_table(groups, time.time() if now is None else now) if groups else Prose("Empty."))
    parts.append(Prose("\n" + _brought(report)))
    prefixes = member(report, "prefixes")
    if prefixes.get("enabled") is True:
        parts.append(_prefixes(prefixes))
    return Group(*parts)


def _prefixes(report: Json) -> Prose:
    """What is kept of prompts, in a line for each model and client."""
    lines = [""]
    if report.get("stored") is False:
        lines.append("Beginnings of prompts cannot be written.")
    for group in members(report, "groups"):
        kept = counted(group.get("prefixes"), "beginning"), counted(group.get("tokens"), "token")
        size = readable("size_bytes", group.get("size_bytes"))
        whose = f"{line(group.get('model'))} for {line(group.get('client'))}"
        lines.append(f"{kept[0]} of prompts, {kept[1]}, {size}: {whose}")
    used = counted(report.get("restored_prompts"), "prompt")
    tokens = counted(report.get("restored_tokens"), "token")
    bound = readable("max_bytes", report.get("max_bytes"))
    lines.append(f"{used} began with what was kept, {tokens} of them; in at most {bound}")
    return Prose("\n".join(lines))


def _table(groups: list[Json], now: float) -> Table:
    rows: list[tuple[str, ...]] = []
    for group in groups:
        ages = [_age(group.get(name), now) for name in ("oldest", "newest")]
        size = readable("size_bytes", group.get("size_bytes"))
        names = line(group.get("model")), line(group.get("client"))
        rows.append((*names, whole(group.get("answers")), size, *ages))
    return Table(_COLUMNS, rows)


def _age(made: object, now: float) -> str:
    when = number(made)
    return MISSING if when is None else readable("age_s", max(0.0, now - when))


def _brought(report: Json) -> str:
    """What it was good for, and its bounds."""
    hits = counted(report.get("hits"), "request")
    bounds = readable("ttl_s", report.get("ttl_s")), readable("max_bytes", report.get("max_bytes"))
    apart = "; each client gets its own" if report.get("per_client") is True else ""
    saved = report.get("saved_j")
    joules_saved = "joules unknown" if saved is None else f"{joules(saved)} saved"
    near = member(report, "semantic")
    like = f"\n{_like(near)}" if near else ""
    return (
        f"{hits} answered from it since the daemon's start, {whole(report.get('misses'))} not; "
        f"{joules_saved}\n"
        f"kept for {bounds[0]}, in at most {bounds[1]}{apart}{like}"
    )


def _like(near: Json) -> str:
    """Of answers to questions that mean the same."""
    hits, known = counted(near.get("hits"), "request"), counted(near.get("questions"), "question")
    return f"{hits} of them by another question that means the same; {known} known"
