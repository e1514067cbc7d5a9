"""What the router has learnt as a table."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_rt.cli.document import Json
from edge_rt.cli.figures import MISSING, counted, fixed, joules, line, member, members, number
from edge_rt.cli.mode_words import in_mode

_WORDS = ("model", "prompts")
_TITLES = (*_WORDS, "good", "bad", "answers", "joules", "seconds")


def router_table(report: Json) -> RenderableType:
    """All of it, what was heard of last first."""
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Text("The file cannot be written; this is lost when the daemon ends.\n"))
    arms = members(report, "arms")
    parts.append(_table(arms) if arms else Text("Nothing was learnt yet."))
    parts.append(Text("\n" + _tried(member(report, "trials"))))
    return Group(*parts)


def _table(arms: list[Json]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for title in _TITLES:
        table.add_column(title, justify="left" if title in _WORDS else "right")
    for arm in arms:
        prompts = " ".join(line(arm.get(name)) for name in ("length", "level", "kind"))
        marks = [fixed(number(arm.get(name)), 1) for name in ("good", "bad", "answers")]
        times = [_times(arm.get(name)) for name in ("joules_ratio", "seconds_ratio")]
        model = in_mode(arm.get("model"), arm.get("mode"), None)
        table.add_row(*map(Text, (model, prompts, *marks, *times)))
    return table


def _times(value: object) -> str:
    ratio = number(value)
    return MISSING if ratio is None else f"{ratio:.2f} times"


def _tried(trials: Json) -> str:
    what = counted(trials.get("trials"), "trial")
    return (
        f"{what} in {counted(trials.get('requests'), 'choice')} since the daemon's start, for "
        f"{joules(trials.get('extra_j'))} beyond {joules(trials.get('best_j'))}"
    )
