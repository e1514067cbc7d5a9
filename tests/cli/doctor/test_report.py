"""A report fits a screen, keeps commands whole, and is told to programs as well."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.cli.doctor.finding import document, examine, healthy, lines
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.core.errors import StoreError
from edge_rt.core.reports.finding import Finding, Level, note, ok, problem

LEVELS: tuple[Level, ...] = ("ok", "note", "problem")
FINDINGS = st.builds(
    Finding,
    st.sampled_from(("power", "memory cgroup")),
    st.sampled_from(LEVELS),
    st.text(max_size=300),
    st.lists(st.text(max_size=60), max_size=3).map(tuple),
)


@given(st.lists(FINDINGS, max_size=5))
def test_no_line_is_wider_than_the_screen_nor_moves_the_cursor(found: list[Finding]) -> None:
    shown = [click.unstyle(line) for line in lines(found)]
    remedies = {"      " + line for finding in found for line in finding.remedy}
    assert all(
        len(line) <= 80 or line in remedies or max(map(len, line.split())) > 59 for line in shown
    )
    assert all(character >= " " for line in shown for character in line)


@given(st.lists(FINDINGS, max_size=5))
def test_programs_are_told_the_same(found: list[Finding]) -> None:
    told = document(found)
    assert told["ok"] == healthy(found) == all(f.level != "problem" for f in found)
    checks = told["checks"]
    assert isinstance(checks, list)
    for check, finding in zip(checks, found, strict=True):
        assert set(check) == {"id", "level", "what", "remedy"}
        assert check["level"] == finding.level
        assert check["remedy"] is None or finding.remedy


def test_levels_are_told_in_words() -> None:
    shown = "\n".join(lines([ok("a", "x"), note("b", "y"), problem("c", "z", "cmd")]))
    assert [line.split()[0] for line in click.unstyle(shown).splitlines()[:4]] == [
        "ok",
        "note",
        "FIX",
        "cmd",
    ]
    assert "1 thing to mend" in shown


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(patient: object) -> None:
    def torn(machine: ExaminedMachine) -> list[Finding]:
        yield ok("torn", "so far")
        raise RuntimeError("oops")

    def refused(machine: ExaminedMachine) -> list[Finding]:
        raise StoreError("cannot read the store")

    def fine(machine: ExaminedMachine) -> list[Finding]:
        return [ok("fine", "all")]

    machine = patient().machine()
    found = list(examine(machine, [("torn", torn), ("refused", refused), ("fine", fine)]))
    assert [(f.id, f.level) for f in found] == [
        ("torn", "ok"),
        ("torn", "problem"),
        ("refused", "problem"),
        ("fine", "ok"),
    ]
    assert "RuntimeError: oops" in found[1].what
    assert found[2].what == "cannot read the store"
