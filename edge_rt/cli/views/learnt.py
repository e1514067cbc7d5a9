"""What was learnt of the ways to serve a request, in words."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import fixed, member, number
from edge_rt.cli.words.modes import in_mode


def learnt_lines(considered: Sequence[Json]) -> list[str]:
    """A line for each model and mode that marks or answers changed something about."""
    candidates = [member(one, "candidate") for one in considered]
    told = [_line(candidate) for candidate in candidates]
    return list(dict.fromkeys(line for line in told if line))


def _line(candidate: Json) -> str:
    setting, learnt = member(candidate, "setting"), member(candidate, "learnt")
    parts: list[str] = []
    if number(learnt.get("marks")):
        before, p = fixed(learnt.get("presumed"), 2), fixed(learnt.get("p"), 2)
        parts.append(f"{fixed(learnt.get('marks'), 1)} marks, so {p} in place of {before}")
    if number(learnt.get("answers")):
        times = fixed(learnt.get("joules_ratio"), 2), fixed(learnt.get("seconds_ratio"), 2)
        answers = fixed(learnt.get("answers"), 1)
        parts.append(f"{answers} answers, so {times[0]} times the joules, {times[1]} the seconds")
    way = in_mode(setting.get("variant"), setting.get("mode"), setting.get("partner"))
    return f"learnt of {way} with such prompts: {'; '.join(parts)}" if parts else ""
