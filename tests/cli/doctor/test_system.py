"""Of the journal only lines go on that can hold nothing of what was asked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from edge_rt.cli.doctor.bundle import UNITS, log, run, units
from edge_rt.core.logs import PlainLines

SECRET = "what does my doctor say"


class Journal:
    """Stands for the programs; `records` are what the journal has."""

    def __init__(self, *records: dict[str, Any] | str) -> None:
        self.asked: list[Sequence[str]] = []
        self._records = records

    def __call__(self, command: Sequence[str]) -> str | None:
        self.asked.append(command)
        lines = [each if isinstance(each, str) else json.dumps(each) for each in self._records]
        return "\n".join(lines)


def record(message: Any, name: str = "edge-rt") -> dict[str, Any]:
    return {
        "__REALTIME_TIMESTAMP": "1764185325123456",
        "SYSLOG_IDENTIFIER": name,
        "_PID": "42",
        "MESSAGE": message,
    }


def test_lines_of_the_daemon_and_of_systemd_are_kept() -> None:
    kept = [
        record("INFO edge_rt.server.server: serving on /run/edge-rt/edge-rt.sock"),
        record("Traceback (most recent call last):"),
        record('  File "/opt/edge-rt/x.py", line 12, in run'),
        record("Current thread 0x00007f (most recent call first):"),
        record("Started edge-rt.service.", "systemd"),
    ]
    lines = log(Journal(*kept)).splitlines()
    assert [line.split(": ", 1)[1] for line in lines] == [each["MESSAGE"] for each in kept]
    assert lines[0].startswith("2025-11-26T19:28:45.123+00:00 edge-rt[42]: INFO")


def test_what_may_be_anything_is_only_counted() -> None:
    others: list[Any] = [
        record(SECRET),
        record(f"    ask({SECRET!r})"),
        record([104, 105]),
        record(f"INFO {SECRET}"),
        record(f"Traceback (most recent call last): {SECRET}"),
        "not JSON " + SECRET,
        "[1]",
    ]
    told = log(Journal(record("INFO edge_rt.x: a"), *others, record("INFO edge_rt.x: b")))
    assert SECRET not in told
    first, gap, last = told.splitlines()
    assert (first[-1], gap, last[-1]) == ("a", "(7 lines left out)", "b")
    assert log(Journal(record(SECRET))) == "(1 line left out)\n"


def test_of_an_error_only_its_name_is_kept() -> None:
    told = log(
        Journal(record(f"ValueError: {SECRET}"), record(f"edge_rt.core.errors.Gone: {SECRET}"))
    )
    assert [line.split("]: ")[1] for line in told.splitlines()] == [
        "ValueError: …",
        "edge_rt.core.errors.Gone: …",
    ]


def test_where_errors_were_raised_is_kept() -> None:
    """As PlainLines writes it, at whatever level."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        failure = (type(error), error, error.__traceback__)
    failed = logging.LogRecord("edge_rt.x", logging.ERROR, "f", 1, "it failed", (), failure)
    written = [*PlainLines().format(failed).splitlines(), f"  ValueError: {SECRET}, raised at"]
    told = log(Journal(*map(record, written))).splitlines()
    assert [line.partition("]: ")[2] for line in (told[0], told[1], told[3])] == [
        "ERROR edge_rt.x: it failed",
        "  ValueError: …",
        "  ValueError: …",
    ]
    assert re.fullmatch(r".*    \S+test_system.py:\d+ in test_where_\w+: …", told[2])


def test_both_units_are_asked_for() -> None:
    journal = Journal()
    assert "may not read it" in log(journal)
    assert "systemd tells nothing" in units(journal)
    for command in journal.asked:
        assert all(any(unit in word for word in command) for unit in UNITS)


def test_a_program_that_is_missing_or_fails_tells_nothing() -> None:
    assert run(["/no/such/program"]) is None
    assert run(["sh", "-c", "echo x; exit 3"]) is None
    assert run(["sh", "-c", "printf 'a\\377'"]) == "a\N{REPLACEMENT CHARACTER}"
