"""What the guest's answers amount to. Nothing counts as passed that did not say so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from vm.machine import Outcome

_SHOWN = 60  # lines of the console
WHOLE = frozenset(("left", "answer", "again", "sensors"))


@dataclass(frozen=True)
class Verdict:
    """`lines` to print; `problems` is empty when all is well."""

    lines: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])


def judge(outcome: Outcome, plan: Sequence[str]) -> Verdict:
    """Hold the answers against the plan: each check once, in order, passed, and an end."""
    verdict = Verdict()
    told: list[str] = []
    done = None
    for answer in _answers(outcome.answers, verdict):
        if "check" in answer:
            told.append(str(answer["check"]))
            _tell(answer, verdict)
        elif "failed" in answer:
            verdict.problems.append(f"The guest failed:\n{answer['failed']}")
        done = answer.get("done", done)
    if told != list(plan):
        verdict.problems.append(_difference(told, plan))
    if done != len(plan):
        verdict.problems.append(_no_end(outcome))
    return verdict


def _answers(text: str, verdict: Verdict) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for line in text.splitlines():
        answer = _answer(line)
        if answer is None:
            verdict.problems.append(f"The guest said what is no answer: {line[:200]!r}")
        else:
            found.append(answer)
    return found


def _answer(line: str) -> dict[str, object] | None:
    try:
        read: object = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, object]", read) if isinstance(read, dict) else None


def _tell(answer: dict[str, object], verdict: Verdict) -> None:
    passed = answer.get("passed") is True
    verdict.lines.append(f"{'ok    ' if passed else 'FAILED'}  {answer['check']}")
    detail = str(answer.get("detail", "")).splitlines()
    verdict.lines.extend(f"        {line}" for line in detail)
    if not passed:
        verdict.problems.append(f"Failed: {answer['check']}")


def _difference(told: Sequence[str], plan: Sequence[str]) -> str:
    missing = [name for name in plan if name not in told]
    unknown = [name for name in told if name not in plan]
    return (
        f"The guest answered {len(told)} checks of {len(plan)}; "
        f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}."
    )


def _no_end(outcome: Outcome) -> str:
    if "Kernel panic" in outcome.console:
        why = "The guest's kernel panicked"
    elif outcome.ended:
        why = "The guest ended before it had told all"
    else:
        why = "The guest had not told all when its time was up"
    return f"{why}. {console_end(outcome.console)}"


def console_end(text: str) -> str:
    """The end of a console, to be shown."""
    tail = "\n".join(f"  {line}" for line in text.splitlines()[-_SHOWN:])
    return f"The end of its console:\n{tail}"


class Told:
    """Reads the file that a guest's serial port goes to, as far as it is written."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.said: dict[str, Any] = {}
        self.failed: list[str] = []
        self.rows: dict[str, dict[str, float]] = {}  # committed, by database: when that was read
        self._file, self._clock = file, clock
        self._read = 0

    @property
    def is_whole(self) -> bool:
        """Whether all was told that every guest tells, and a row of the ledger."""
        return self.said.keys() >= WHOLE and "ledger.db" in self.rows

    def read(self) -> Told:
        """Take what is new; of the last line only a whole one."""
        if self._file.exists():
            whole, end, _ = self._file.read_bytes()[self._read :].rpartition(b"\n")
            self._read += len(whole) + len(end)
            for line in whole.splitlines():
                self._take(json.loads(line))
        return self

    def _take(self, message: dict[str, Any]) -> None:
        if "failed" in message:
            self.failed.append(message.pop("failed"))
        now = self._clock()
        for name, rows in message.pop("rows", {}).items():
            self.rows.setdefault(name, {}).update((repr(row), now) for row in rows)
        self.said |= message
