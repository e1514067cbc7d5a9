"""Marks of a real daemon's answers outlive a kill, and can be seen and forgotten."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Daemon = Any
CHAT = [{"role": "user", "content": "Name the days of the week."}]


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[..., Any], both_backends: Path) -> Iterator[Daemon]:
    made = make_daemon(both_backends)
    yield made
    made.close()


def ask(daemon: Daemon, **fields: Any) -> dict[str, Any]:
    """An answer of either model, with the trace of the choice."""
    body = {"model": "auto", "messages": CHAT, "max_tokens": 8, "edge": {"trace": True}}
    answer = daemon.post(body | fields, "/v1/chat/completions")
    assert answer.status_code == 200, answer.text
    return answer.json()


def mark(daemon: Daemon, answer: dict[str, Any], mark: object) -> dict[str, Any]:
    body = {"id": answer["id"], "mark": mark}
    response = daemon.http.post("/edge/v1/feedback", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def marks(daemon: Daemon) -> dict[str, tuple[float, float]]:
    """By model: good and bad ones."""
    report = json.loads(daemon.run("router", "show", "--json").stdout)
    return {each["model"]: (each["good"], each["bad"]) for each in report["marks"] if each["good"]}


def is_kept(daemon: Daemon) -> bool:
    path = daemon.directory / "router.db"
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT COUNT(*) FROM marks WHERE mark > 0.5").fetchone() == (1,)


@pytest.mark.slow
def test_marks_survive_a_kill(daemon: Daemon, tools: Any) -> None:
    first = ask(daemon, seed=1)
    assert mark(daemon, first, "good")["counted"]
    assert not mark(daemon, first, "bad")["counted"]
    given = marks(daemon)
    assert list(given) == [first["model"]]
    tools.eventually(lambda: is_kept(daemon), "the mark is in the file")
    daemon.kill()
    daemon.start()
    tools.eventually(lambda: marks(daemon) == given, "the mark is there again")


def test_it_is_forgotten(daemon: Daemon) -> None:
    mark(daemon, ask(daemon, seed=4), 1)
    assert "forgotten" in daemon.run("router", "reset", "--all").stdout
    assert daemon.run("router", "show").stdout.split()[-2:] == ["marks", "none"]
