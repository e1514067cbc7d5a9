"""The checks' findings, and the report of them for people and programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import click

from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.options import there
from edge_rt.cli.tables import wrapped
from edge_rt.cli.text import clean, columns
from edge_rt.core.errors import EdgeError
from edge_rt.core.reports.finding import Finding, Level, problem

Check = Callable[[ExaminedMachine], Iterable[Finding]]
_WIDTH = 80
_LABELS: dict[Level, str] = {"ok": "ok  ", "note": "note", "problem": "FIX "}
_COLOURS: dict[Level, str] = {"ok": "green", "note": "yellow", "problem": "red"}
_NAMES = 13  # columns for the names of the checks


def examine(machine: ExaminedMachine, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Yield what all checks find; one that fails is a finding itself, and the others go on."""
    for name, check in checks:
        try:
            yield from check(machine)
        except EdgeError as error:
            yield problem(name, str(error))
        except Exception as error:  # a machine that is out of order may break any check
            yield problem(name, f"this check failed: {type(error).__name__}: {error}")


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the report; colours are for click to leave out where there is no terminal.

    Commands are never broken: one that is longer than the screen stays in one line.
    """
    shown = [line for finding in findings for line in _lines(finding)]
    count = sum(finding.level == "problem" for finding in findings)
    things = "1 thing" if count == 1 else f"{count} things"
    return [*shown, "", f"{things} to mend: see FIX." if count else "Nothing needs doing."]


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the report as a JSON object; a remedy's lines are parted by newlines."""
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
    """Return whether nothing needs doing."""
    return all(finding.level != "problem" for finding in findings)


def _lines(finding: Finding) -> list[str]:
    label = click.style(_LABELS[finding.level], fg=_COLOURS[finding.level])
    indent = " " * (4 + 2 + _NAMES + 2)
    width = min(_WIDTH, columns(sys.stdout) or _WIDTH)
    first, *rest = wrapped(_flat(finding.what), width - len(indent))
    head = f"{label}  {finding.id:<{_NAMES}}  {first}"
    tail = [indent + word for word in rest]
    return [head, *tail, *(f"      {_flat(line)}" for line in finding.remedy)]


def _flat(text: str) -> str:
    return clean(text.replace("\n", " ").replace("\t", " "))


def of_board(check: Check) -> Check:
    """`check`, but no kernel, cable or group mends a simulated board, and an empty one has none."""

    def judge(machine: ExaminedMachine) -> Iterator[Finding]:
        if not machine.simulated:
            yield from check(machine)
        elif there(machine.roots.sysfs) or there(machine.roots.proc):
            for finding in check(machine):
                yield replace(finding, remedy=())

    return judge
