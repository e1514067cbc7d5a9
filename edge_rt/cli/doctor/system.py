"""The state of the daemon's systemd units, and its log without prompts and answers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import cast

Run = Callable[[Sequence[str]], "str | None"]
"""What a program writes; None where there is none of that name, or it fails."""

UNITS = ("edge-rt.socket", "edge-rt.service")
LINES = 5000  # of the log, the newest

_PATIENCE_S = 20.0
_STATE = (
    "Id,LoadState,UnitFileState,ActiveState,SubState,Result,StatusText,DropInPaths,NRestarts,"
    "ExecMainCode,ExecMainStatus,ActiveEnterTimestamp,InactiveEnterTimestamp,WatchdogTimestamp,"
    "MemoryCurrent,MemoryPeak,TasksCurrent,CPUUsageNSec"
)
_KEPT = re.compile(  # of the daemon's own lines; what is none of these may be anything
    r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+: "
    r"|Traceback \(most recent call last\):$"
    r"|  File \"[^\"]*\", line \d+"
    r"|(Fatal Python error|Current thread|Thread 0x)"
)
_SHORTENED = (  # of an error only which one it was, of code only where it stands; see PlainLines
    re.compile(r"((?:\w+\.)+\w+|\w+(?:Error|Exception|Exit|Interrupt))(?:: |$)"),
    re.compile(r"(  \w+)(?:: .*)?, raised at$"),
    re.compile(r"(    \S+\.py:\d+ in [\w<>]+): "),
)


def run(command: Sequence[str]) -> str | None:
    """Run `command` and return its output; None where it is missing or fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")


def units(run: Run) -> str:
    """The state of the units."""
    told = run(["systemctl", "show", f"--property={_STATE}", *UNITS])
    return told or "systemd tells nothing here.\n"


def log(run: Run) -> str:
    """The newest lines of the log; of those that may hold anything only how many there were."""
    fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID"
    chosen = [f"--unit={unit}" for unit in UNITS]
    written = ["--output=json", fields, "--quiet", "--no-pager", f"--lines={LINES}"]
    told = run(["journalctl", *chosen, *written])
    if not told:
        return (
            "The journal tells nothing: the daemon runs without systemd, or who made this may not "
            "read it (sudo edge-rt doctor --bundle).\n"
        )
    return "".join(f"{line}\n" for line in _shortened(told.splitlines()))


def _shortened(records: Iterable[str]) -> Iterator[str]:
    dropped = 0
    for record in records:
        kept = _line(record)
        if kept is None:
            dropped += 1
            continue
        if dropped:
            yield _left_out(dropped)
        dropped = 0
        yield kept
    if dropped:
        yield _left_out(dropped)


def _left_out(count: int) -> str:
    return f"({count} line{'' if count == 1 else 's'} left out)"


def _line(record: str) -> str | None:
    """A record of the journal as a line, None where it may hold anything."""
    try:
        found = json.loads(record)
    except ValueError:
        return None
    fields = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    message, name = fields.get("MESSAGE"), fields.get("SYSLOG_IDENTIFIER")
    if not isinstance(message, str):  # bytes that are no text
        return None
    words = message if name == "systemd" else _own(message)
    if words is None:
        return None
    return f"{_time(fields.get('__REALTIME_TIMESTAMP'))} {name}[{fields.get('_PID')}]: {words}"


def _own(message: str) -> str | None:
    """A line of the daemon's or the engine's; of an error only which one it was."""
    if _KEPT.match(message):
        return message
    found = next(filter(None, (each.match(message) for each in _SHORTENED)), None)
    return None if found is None else f"{found[1]}: …"


def _time(microseconds: object) -> str:
    if not isinstance(microseconds, str) or not microseconds.isdecimal():
        return "?"
    moment = datetime.fromtimestamp(int(microseconds) / 1e6, timezone.utc)
    return moment.isoformat(timespec="milliseconds")
