"""Nothing that the guest leaves out, repeats, garbles or fails counts as passed."""

from __future__ import annotations

import json

import pytest
from vm.machine import Outcome
from vm.verdict import judge

PLAN = ("one", "two", "three")
DONE = {"done": len(PLAN)}


def said(*answers: object, console: str = "", ended: bool = True) -> Outcome:
    return Outcome("".join(json.dumps(a) + "\r\n" for a in answers), console, ended)


def passed(name: str) -> dict[str, object]:
    return {"check": name, "passed": True, "detail": f"{name} in detail"}


ALL = [passed(name) for name in PLAN]


def test_all_that_was_planned_and_nothing_else_passes() -> None:
    verdict = judge(said(*ALL, DONE), PLAN)
    assert verdict.problems == []
    assert [line.split()[-1] for line in verdict.lines if line.startswith("ok")] == list(PLAN)
    assert "two in detail" in "\n".join(verdict.lines)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [DONE],
        [*ALL],
        [*ALL, {"done": 2}],
        [*ALL[:2], DONE],
        [*ALL, passed("four"), DONE],
        [ALL[0], *ALL, DONE],
        [*ALL[1:], ALL[0], DONE],
        [*ALL, "text", DONE],
        [*ALL, {"failed": "no such module"}, DONE],
        [*ALL[:2], {"check": "three"}, DONE],
        [*ALL[:2], {"check": "three", "passed": 1}, DONE],
        [*ALL[:2], {"check": "three", "passed": False, "detail": "x"}, DONE],
    ],
)
def test_anything_else_is_a_problem(answers: list[object]) -> None:
    assert judge(said(*answers), PLAN).problems


def test_a_failed_check_is_shown_with_its_trace() -> None:
    failed = {"check": "three", "passed": False, "detail": "Traceback\nAssertionError: 5 V"}
    verdict = judge(said(*ALL[:2], failed, DONE), PLAN)
    assert verdict.problems == ["Failed: three"]
    assert "FAILED  three" in verdict.lines
    assert any("AssertionError: 5 V" in line for line in verdict.lines)


def test_missing_checks_are_named() -> None:
    problems = "\n".join(judge(said(ALL[1], passed("four"), DONE), PLAN).problems)
    assert "missing: one, three; unknown: four" in problems


def test_a_half_written_answer_is_a_problem() -> None:
    outcome = Outcome('{"check": "one", "pas', "", ended=True)
    assert any("no answer" in problem for problem in judge(outcome, PLAN).problems)


@pytest.mark.parametrize(
    ("console", "ended", "why"),
    [
        ("...\nKernel panic - not syncing: Oops\n", True, "panicked"),
        ("...\n", True, "ended before"),
        ("...\n", False, "time was up"),
    ],
)
def test_without_an_end_the_reason_and_the_console_are_told(
    console: str, ended: bool, why: str
) -> None:
    problem = judge(said(*ALL, console=console, ended=ended), PLAN).problems[-1]
    assert why in problem
    assert console.splitlines()[-1] in problem
