"""The kernel kills the engine for memory: tried once in a guest with a kernel of its own.

`brought_about` lowers the service's limit below what the loaded engine holds while an answer is
under way, has it asked again, and lifts the limit. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vm.guest.client import ask, asked, complete, greedy

UNIT = "edge-rt.service"
GROUP = Path("/sys/fs/cgroup/system.slice", UNIT)
LESS = 8 << 20  # bytes that it lacks
LONG = 200  # tokens, which an emulated processor does not make in the meantime
TRIES = 300
AGAIN_S = 1.0


def brought_about() -> dict[str, Any]:
    """Return what came of it, for `faults`."""
    before, question = _now(), greedy("Count: 1, 2,", LONG) | {"ignore_eos": True}
    with asked("POST", "/v1/completions", question | {"stream": True}) as stream:
        stream.readline()
        limit = _held() - LESS
        with _spared():
            _limit(str(limit))
        said = [line for line in stream.read().split(b"\n") if line]
    refused = _refused(question)
    short = _now()
    _limit("infinity")
    answer = _answered()
    return {
        "limit": limit,
        "last": json.loads(said[-1].removeprefix(b"data: ")),
        "refused": refused,
        "answer": answer,
        "log": _log(),
        "before": before,
        "short": short,
        "after": _now(),
    }


def faults(told: dict[str, Any]) -> list[str]:
    """Return what went otherwise than it must."""
    before, short, after, refused = (told[key] for key in ("before", "short", "after", "refused"))
    error = told["last"].get("error", {})
    found = {
        "the kernel killed nobody": short["kills"] > before["kills"],
        "systemd did not let the daemon go on": all(
            then["daemon"] == before["daemon"] for then in (short, after)
        ),
        "engines were started again and again": after["engines"] <= before["engines"] + 3,
        "the answer ended without a word": error.get("code") == "out_of_memory",
        "another was not refused as it must be": refused["status"] == 503
        and refused["code"] == "out_of_memory"
        and int(refused["retry_after"] or 0) >= 1
        and "MemoryMax=" in refused["message"],
        "the log does not tell why": any("memory was short" in line for line in told["log"]),
        "it did not answer again": bool(told["answer"]),
    }
    wrong = [fault for fault, well in found.items() if not well]
    return [f"short of memory: {'; '.join(wrong)}: {told}"] if wrong else []


def _now() -> dict[str, Any]:
    events = dict(line.split() for line in (GROUP / "memory.events").read_text().splitlines())
    engine = ask("GET", "/edge/v1/status")["engine"]
    return {
        "kills": int(events["oom_kill"]),
        "daemon": _daemon(),
        "engines": engine["restarts"],
        "why": engine["lost"],
        "bytes": int((GROUP / "memory.current").read_text()),
        "held": _held(),
    }


def _held() -> int:
    """Bytes that the service has and that are no file's, so that they cannot be dropped."""
    rows = (line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
    stat = {name: int(value) for name, value in rows}
    files = stat["inactive_file"] + stat["active_file"]
    return int((GROUP / "memory.current").read_text()) - files


@contextmanager
def _spared() -> Generator[None]:
    """While a limit is lowered, the kernel kills until it is kept, in every seventh case the daemon
    after the engine, whose memory was not free yet. Then systemd would start it again.
    """
    score = Path(f"/proc/{_daemon()[0].removeprefix('MainPID=')}/oom_score_adj")
    before = score.read_text()
    score.write_text("-1000")
    try:
        yield
    finally:
        score.write_text(before)


def _daemon() -> list[str]:
    """Its process, and how often systemd has started it again."""
    argv = ["systemctl", "show", "--property=MainPID,NRestarts", UNIT]
    return sorted(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())


def _limit(size: str) -> None:
    argv = ["systemctl", "set-property", "--runtime", UNIT, f"MemoryMax={size}"]
    subprocess.run(argv, check=True)


def _refused(question: dict[str, Any]) -> dict[str, Any]:
    with asked("POST", "/v1/completions", question) as answer:
        error = json.loads(answer.read()).get("error", {})
    return {
        "status": answer.status,
        "retry_after": answer.headers["Retry-After"],
        "code": error.get("code"),
        "message": error.get("message"),
    }


def _answered() -> str:
    """The first answer that comes of itself; empty where none does."""
    for _ in range(TRIES):
        try:
            return complete("Paris", tokens=2)["choices"][0]["text"]
        except OSError:
            time.sleep(AGAIN_S)
    return ""


def _log() -> list[str]:
    """Return what the daemon and systemd have said of memory."""
    argv = ["journalctl", "--no-pager", "--output=cat", f"--unit={UNIT}"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if "memory" in line or "OOM" in line]
