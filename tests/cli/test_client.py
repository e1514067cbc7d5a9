"""Every way in which the daemon can fail is a message and an exit code."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.cli.client import Client, parse_events
from edge_rt.cli.exits import CommandFailure

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"message": "too long", "param": "messages", "code": "context_length_exceeded"}, 1),
        (404, {"message": "no model x", "param": "model", "code": "model_not_found"}, 4),
        (404, {"message": "no such page", "code": "not_found"}, 1),
        (413, {"message": "too large", "code": "request_too_large"}, 1),
        (429, {"message": "slow down", "code": "rate_limit"}, 5),
        (500, {"message": "engine broke", "code": "engine_error"}, 1),
        (503, {"message": "the queue is full", "code": "queue_full"}, 5),
    ],
)
@pytest.mark.parametrize("words", [["run", "Hi"], ["run", "--json", "Hi"], ["run", "--raw", "Hi"]])
def test_http_errors_have_their_exit_codes(
    daemon: Daemon, cli: Cli, words: list[str], status: int, error: dict[str, str], code: int
) -> None:
    daemon.will_refuse(status, error)
    result = cli(*words)
    assert result.exit_code == code
    assert error["message"] in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(("after", "words"), [("3", "3 s"), ("768", "12 min 48 s")])
def test_when_to_try_again_is_told(daemon: Daemon, cli: Cli, after: str, words: str) -> None:
    daemon.will_refuse(503, {"message": "the queue is full"}, retry_after=after)
    assert f"the queue is full (try again in {words})" in cli("run", "Hi").stderr


def test_the_field_at_fault_is_told_once(daemon: Daemon, cli: Cli) -> None:
    daemon.will_refuse(400, {"message": "must be positive", "param": "max_tokens"})
    daemon.will_refuse(400, {"message": "max_tokens must be positive", "param": "max_tokens"})
    assert "must be positive (in --max-tokens)" in cli("run", "Hi").stderr
    assert "(in" not in cli("run", "Hi").stderr


@pytest.mark.parametrize(
    ("field", "option"),
    [("edge.mode", "--mode"), ("edge.large_share", "--large-share"), ("seed", "--seed")],
)
def test_a_value_that_the_daemon_refuses_is_wrong_usage_of_the_option(
    daemon: Daemon, cli: Cli, field: str, option: str
) -> None:
    error = {"message": f"`{field}`: no such thing", "param": field, "code": "invalid_value"}
    daemon.will_refuse(400, error)
    result = cli("run", "Hi")
    assert result.exit_code == 2
    assert f"{option}: no such thing" in result.stderr
    assert field not in result.stderr.replace(option, "")


@pytest.mark.parametrize("words", [["run", "caf\udce9"], ["run", "--system", "caf\udce9", "Hi"]])
def test_an_argument_that_is_no_text_is_wrong_usage(
    daemon: Daemon, cli: Cli, words: list[str]
) -> None:
    result = cli(*words)
    assert result.exit_code == 2
    assert "caf\\udce9' is not UTF-8 text" in result.stderr


def test_a_file_that_is_no_socket_is_called_that(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = cli("status", "--socket", str(file))
    assert result.exit_code == 3
    assert f"{file} is not a socket" in result.stderr
    assert "group" not in result.stderr


def test_a_directory_that_may_not_be_looked_into_is_told(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "s").touch()
    folder.chmod(0o000)
    uid = os.geteuid()
    if uid == 0:  # who may look into everything
        os.seteuid(65534)
    try:
        result = cli("status", "--socket", str(folder / "s"))
    finally:
        os.seteuid(uid)
        folder.chmod(0o700)
    assert result.exit_code == 3
    assert f"no right to look for {folder / 's'}" in result.stderr
    assert "group" not in result.stderr


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {}}'])
def test_an_error_in_no_known_shape_still_names_the_status(
    daemon: Daemon, cli: Cli, body: bytes
) -> None:
    daemon.will_refuse(502, body)
    result = cli("run", "Hi")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "HTTP 502" in result.stderr


@pytest.mark.parametrize("words", [["run", "Hi"], ["run", "--json", "Hi"], ["chat"], ["status"]])
def test_no_daemon_is_3_and_says_where_and_what_to_do(cli: Cli, words: list[str]) -> None:
    result = cli(*words, input="")
    assert result.exit_code == 3
    for told in ("edge-rt.sock", "edge-rt serve", "--socket"):
        assert told in result.stderr
    assert "systemctl" not in result.stderr  # no unit comes with edge-rt


def test_a_dead_daemons_socket_is_no_daemon(cli: Cli, environ: dict[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(environ["EDGE_RT_SOCKET"])
    assert cli("run", "Hi").exit_code == 3


def test_a_socket_of_others_is_told_from_none(
    cli: Cli, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(environ["EDGE_RT_SOCKET"])
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # root may use everything
    result = cli("run", "Hi")
    assert result.exit_code == 3
    assert "member of its group" in result.stderr


def test_control_characters_of_an_error_are_dropped(daemon: Daemon, cli: Cli) -> None:
    daemon.will_refuse(400, {"message": "bad \x1b[31mred"})
    assert "bad [31mred" in cli("run", "Hi").stderr


def test_a_proxy_of_the_environment_is_not_used(
    daemon: Daemon, cli: Cli, environ: dict[str, str]
) -> None:
    environ |= {"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    assert cli("run", "Hi").exit_code == 0


def test_a_daemon_that_speaks_something_else_is_1(daemon: Daemon, cli: Cli) -> None:
    daemon.will_refuse(200, b"SSH-2.0")
    result = cli("run", "--json", "Hi")
    assert result.exit_code == 1
    assert "cannot be understood" in result.stderr


def test_what_is_no_text_is_not_sent(daemon: Daemon) -> None:
    with Client(daemon.path) as client, pytest.raises(click.UsageError):
        client.post("/v1/completions", {"prompt": "\udcff"})
    assert daemon.asked == []


@given(
    texts=st.lists(st.text()),
    cuts=st.lists(st.integers(1, 7)),
    end=st.sampled_from(["\n\n", "\r\n\r\n"]),
)
def test_events_are_the_same_however_the_bytes_are_cut(
    texts: list[str], cuts: list[int], end: str
) -> None:
    import msgspec

    lines = [b": comment" + end.encode()]
    lines += [b"data: " + msgspec.json.encode({"t": text}) + end.encode() for text in texts]
    content = b"".join(lines) + b"data: [DONE]" + end.encode()
    chunks = []
    for cut in cuts:
        chunks.append(content[:cut])
        content = content[cut:]
    assert [event["t"] for event in parse_events([*chunks, content])] == texts


@pytest.mark.parametrize("content", [b"", b'data: {"a": 1}\n\n', b"data: [DONE]"])
def test_a_stream_without_its_end_is_a_failure(content: bytes) -> None:
    with pytest.raises(CommandFailure, match="before the answer was complete"):
        list(parse_events([content]))


@pytest.mark.parametrize("content", [b"data: {\n\n", b"data: 5\n\n", b"data: \xff\n\n"])
def test_a_stream_of_something_else_is_a_failure(content: bytes) -> None:
    with pytest.raises(CommandFailure, match="cannot be understood"):
        list(parse_events([content]))


def test_closing_the_events_closes_the_connection(daemon: Daemon, tmp_path: Path) -> None:
    daemon.will("one", end="hang")
    with Client(daemon.path) as client:
        events = client.events("/v1/completions", {"stream": True})
        next(events)
        events.close()
        assert daemon.cancelled.wait(30)


def test_a_long_wait_for_an_answer_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "s"))
        mute.listen()

        def tell(words: str) -> None:
            told.append(words)
            mute.accept()[0].close()

        with (
            Client(tmp_path / "s", slow_s=0.01, tell=tell) as client,
            pytest.raises(CommandFailure, match="went away"),
        ):
            list(client.events("/v1/completions", {}))
    assert told == [f"no answer yet from {tmp_path}/s: if none comes, `edge-rt doctor` tells why"]


def test_warnings_of_the_daemon_are_said(daemon: Any) -> None:
    told: list[str] = []
    daemon.will(headers={"x-edge-warning": "The power budget of 3 W is 10%25 too low"})
    with Client(daemon.path, tell=told.append) as client:
        list(client.events("/v1/completions", {"stream": True}))
    assert told == ["warning: The power budget of 3 W is 10% too low"]
