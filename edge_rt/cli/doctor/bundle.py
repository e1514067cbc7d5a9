"""The support bundle: an archive of what is known of an installation, without prompts."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path
from typing import cast

import msgspec

from edge_rt import __version__
from edge_rt.cli.doctor.finding import document
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.text import counted
from edge_rt.core.reports.finding import Finding

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

FOLDER = "edge-rt-support"  # what it unpacks to

ABOUT = """\
Made by `edge-rt doctor --bundle` of edge_rt {version}.

It holds versions, the configuration, what the board is and reads, what doctor finds, what the
daemon tells of itself, joules by day and model, the state of the units, and the log.

It does not hold: prompts, answers, or texts of yours (templates, caches are not read);
keys and their hashes; comments of the configuration; lines of the log that may be anything. The
log names models, files, users and groups: look at it before you send it to anyone.
"""

_SECRET = ("key", "secret", "token", "password")  # in the name of a field
_TOLD = {  # by the daemon, if one answers
    "status": "/edge/v1/status",
    "board": "/edge/v1/board",
    "governor": "/edge/v1/budget",
    "models": "/v1/models",
    "ledger": "/edge/v1/ledger?days=90&last=0",
}


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
    """Return the state of the units."""
    told = run(["systemctl", "show", f"--property={_STATE}", *UNITS])
    return told or "systemd tells nothing here.\n"


def log(run: Run) -> str:
    """Return the newest lines of the log.

    Of those that may hold anything only how many there were.
    """
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
            yield f"({counted(dropped, 'line')} left out)"
        dropped = 0
        yield kept
    if dropped:
        yield f"({counted(dropped, 'line')} left out)"


def _line(record: str) -> str | None:
    """Return a record of the journal as a line, None where it may hold anything."""
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
    """Return a line of the daemon's or the engine's; of an error only which one it was."""
    if _KEPT.match(message):
        return message
    found = next(filter(None, (each.match(message) for each in _SHORTENED)), None)
    return None if found is None else f"{found[1]}: …"


def _time(microseconds: object) -> str:
    if not isinstance(microseconds, str) or not microseconds.isdecimal():
        return "?"
    moment = datetime.fromtimestamp(int(microseconds) / 1e6, timezone.utc)
    return moment.isoformat(timespec="milliseconds")


def write_archive(path: Path, papers: Mapping[str, bytes], now_s: float) -> None:
    """Make the new file `path`, which only its owner can read; `now_s` is in Unix seconds.

    Failure where it is there already or cannot be written; then nothing is left of it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandFailure(f"{path} is there already: name another file") from None
    except OSError as error:
        raise CommandFailure(
            f"cannot write {path}: {error.strerror}; name another place"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name in sorted(papers):
                    _put(archive, f"{FOLDER}/{name}", papers[name], now_s)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CommandFailure(f"cannot write {path}: {error.strerror or error}") from error


def _put(archive: tarfile.TarFile, name: str, content: bytes, now_s: float) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o600, int(now_s)
    archive.addfile(member, io.BytesIO(content))


def papers(machine: ExaminedMachine, findings: Sequence[Finding], run: Run) -> dict[str, bytes]:
    """Return every paper by the name of its file."""
    told = {name: machine.ask(path) for name, path in _TOLD.items()}
    sheets = {
        "versions": _versions(),
        "config": _config(machine),
        "doctor": document([f for f in findings if f.id != "config"]),  # faults repeat values
        "machine": _machine(machine),
        **{name: paper for name, paper in told.items() if paper is not None},
    }
    encode = json.JSONEncoder(indent=2, default=str).encode
    texts = {
        "README.txt": ABOUT.format(version=__version__),
        "units.txt": units(run),
        "log.txt": log(run),
        **{f"{name}.json": f"{encode(sheet)}\n" for name, sheet in sheets.items()},
    }
    return {name: words.encode(errors="replace") for name, words in texts.items()}


def _versions() -> dict[str, object]:
    system = platform.uname()
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "edge_rt": __version__,
        "python": platform.python_version(),
        "kernel": f"{system.system} {system.release} {system.version} {system.machine}",
        "system": _release(),
        "packages": dict(sorted(packages.items())),
    }


def _release() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _config(machine: ExaminedMachine) -> dict[str, object]:
    """Return what counts, defaults included, and where what does not count stands."""
    config, faults = machine.configuration
    return {
        "file": machine.config_file,
        "faults": [{"file": f.file, "line": f.line, "key": f.key} for f in faults],
        "config": _open("config", msgspec.to_builtins(config)),
    }


def _open(name: str, value: object) -> object:
    """Return a value of the configuration; of a secret only whether there is one."""
    if any(word in name for word in _SECRET):
        return "left out" if value else value
    if isinstance(value, dict):
        section = cast("dict[str, object]", value)
        return {each: _open(each, section[each]) for each in section}
    return value


def _machine(machine: ExaminedMachine) -> dict[str, object]:
    """Return the board as whoever makes the bundle sees it."""
    return {
        "root": machine.root,
        "identity": msgspec.to_builtins(machine.identity),
        "profile": machine.board and machine.board.id,
        "readings": [
            {
                "reader": reading.reader,
                "name": reading.channel.name,
                "kind": reading.channel.kind,
                "value": reading.value,
                "error": reading.error,
            }
            for reading in machine.readings
        ],
    }
