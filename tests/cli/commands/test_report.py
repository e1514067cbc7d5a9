"""`report` saves the daemon's page in one file that needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from governed import Json, past

from edge_rt.api.page import FOLDER, MEDIA_TYPES
from edge_rt.cli.commands.report import page

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any

NOW: Json = {"type": "snapshot", "time": 1_800_000_060.0, "board": "Raspberry Pi 5"}
SAVED: Json = {"since_s": 60, "version": "0.1", "history": past(), "now": NOW}


class Parts(HTMLParser):
    """The texts of scripts by their type, and every address that the page names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.addresses: list[str] = []
        self.policy = ""
        self._kind: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._kind = given.get("type") if tag == "script" else None
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given.get("content") or ""

    def handle_data(self, data: str) -> None:
        if self._kind:
            self.scripts[self._kind] = data

    def handle_endtag(self, tag: str) -> None:
        self._kind = None


def test_it_holds_what_it_shows_and_loads_nothing() -> None:
    parts = Parts(page(SAVED))
    assert json.loads(parts.scripts["application/json"]) == SAVED
    assert all(address.startswith("#") for address in parts.addresses)
    assert parts.policy.startswith("default-src 'none';")


def test_every_script_of_the_page_is_in_it_without_the_words_of_modules() -> None:
    script = Parts(page(SAVED)).scripts["module"]
    assert not re.search("^(import|export) ", script, re.MULTILINE)
    for name in (name for name in MEDIA_TYPES if name.endswith(".js")):
        comment = (FOLDER / name).read_text().splitlines()[0]
        assert comment in script


def test_no_name_is_declared_twice_among_the_scripts() -> None:
    script = Parts(page(SAVED)).scripts["module"]
    declared = re.findall(r"^(?:const|let|class|(?:async )?function) (\w+)", script, re.MULTILINE)
    assert sorted(declared) == sorted(set(declared))


def test_names_cannot_break_out() -> None:
    text = page(SAVED | {"now": NOW | {"why": "</script><script>alert(1)</script><!--"}})
    assert "alert(1)</script>" not in text
    assert "why" in json.loads(Parts(text).scripts["application/json"])["now"]


def serve(daemon: Daemon, since: int, history: Json) -> None:
    daemon.documents[f"/edge/v1/history?since={since}"] = (200, history)
    daemon.streams["/edge/v1/events"] = [{"type": "hello", "version": "0.1"}, NOW, "hang"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("15m", 900), ("1h", 3600)])
def test_it_is_written(cli: Cli, daemon: Daemon, tmp_path: Path, text: str, seconds: int) -> None:
    serve(daemon, seconds, past())
    out = tmp_path / "r.html"
    result = cli("report", "--since", text, "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    saved = json.loads(Parts(out.read_text()).scripts["application/json"])
    assert saved == SAVED | {"since_s": seconds}
    assert daemon.cancelled.wait(30), "the stream of events is left"


def test_a_dash_is_standard_output(
    cli: Cli, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    serve(daemon, 3600, past())
    result = cli("report", "--out", "-")
    assert (result.exit_code, result.stdout.startswith("<!doctype html>")) == (0, True)
    assert not (tmp_path / "-").exists()


def test_a_daemon_without_a_past_says_so(cli: Cli, daemon: Daemon, tmp_path: Path) -> None:
    serve(daemon, 3600, past(0))
    result = cli("report", "--out", str(tmp_path / "r.html"))
    assert result.exit_code == 1
    assert "remembers nothing yet" in result.stderr


@pytest.mark.parametrize("text", ["0", "2d", "soon", "-5m", "9" * 20])
def test_what_is_no_time_is_wrong_usage(cli: Cli, text: str) -> None:
    assert cli("report", f"--since={text}").exit_code == 2
