"""Findings as people and as programs read them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from edge_rt.cli.doctor.finding import Finding, Level
from edge_rt.cli.words.clean import clean
from edge_rt.cli.words.tables import wrapped

_WIDTH = 80
_LABELS: dict[Level, str] = {"ok": "ok  ", "note": "note", "problem": "FIX "}
_COLOURS: dict[Level, str] = {"ok": "green", "note": "yellow", "problem": "red"}
_NAMES = 13  # columns for the names of the checks


def lines(findings: Sequence[Finding]) -> list[str]:
    """The report; colours are for click to leave out where there is no terminal.

    Commands are never broken: one that is longer than the screen stays in one line.
    """
    shown = [line for finding in findings for line in _lines(finding)]
    return [*shown, "", _end(findings)]


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """The report as a JSON object; a remedy's lines are parted by newlines."""
    checks = [
        {
            "id": finding.id.replace(" ", "-"),
            "level": finding.level,
            "what": clean(finding.what),
            "remedy": clean("\n".join(finding.remedy)) or None,
        }
        for finding in findings
    ]
    return {"ok": healthy(findings), "checks": checks}


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing needs doing."""
    return all(finding.level != "problem" for finding in findings)


def _lines(finding: Finding) -> list[str]:
    label = click.style(_LABELS[finding.level], fg=_COLOURS[finding.level])
    indent = " " * (4 + 2 + _NAMES + 2)
    first, *rest = wrapped(_flat(finding.what), _WIDTH - len(indent))
    head = f"{label}  {finding.id:<{_NAMES}}  {first}"
    tail = [indent + word for word in rest]
    return [head, *tail, *(f"      {_flat(line)}" for line in finding.remedy)]


def _flat(text: str) -> str:
    return clean(text.replace("\n", " ").replace("\t", " "))


def _end(findings: Sequence[Finding]) -> str:
    count = sum(finding.level == "problem" for finding in findings)
    if count == 0:
        return "Nothing needs doing."
    return f"{count} thing{'' if count == 1 else 's'} to mend: see FIX."
