"""`run` asks once, prints the answer and tells its cost."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest
from governed import governor

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Start = Any

COST = r"34 tokens, 68\.1 tok/s, \d+\.\d\d s, smollm2-135m-instruct, llama\.cpp"


def test_the_answer_is_on_stdout_and_its_cost_is_one_line_on_stderr(
    daemon: Daemon, cli: Cli
) -> None:
    result = cli("run", "Why", "is the", "sky blue?")
    assert result.exit_code == 0
    assert result.stdout == "Hello world\n"
    assert re.fullmatch(COST + "\n", result.stderr)
    [(path, body)] = daemon.asked
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "default",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--quiet"], ""),
        (["--verbose"], COST + "\nid chatcmpl-7\n"),
        (["-q", "-v"], "id chatcmpl-7\n"),
        (["-v", "--no-stream"], COST + "\nid chatcmpl-7\n"),
    ],
)
def test_cost_and_id_follow_the_answer_as_asked(
    cli: Cli, daemon: Daemon, options: list[str], told: str
) -> None:
    result = cli("run", *options, "Hi")
    assert (result.exit_code, result.stdout) == (0, "Hello world\n")
    assert re.fullmatch(told, result.stderr)


@pytest.mark.parametrize("slowed", ["what a cap allows is asked for", None])
def test_what_slows_the_answer_is_told_before_it(
    cli: Cli, daemon: Daemon, slowed: str | None
) -> None:
    daemon.documents["/edge/v1/budget"] = (200, governor(slowed=slowed))
    for options in ([], ["--no-stream"]):
        stderr = cli("run", *options, "Hi").stderr
        assert stderr.startswith(f"Slower than usual: {slowed}.\n") == (slowed is not None)
        assert ("Slower" in stderr) == (slowed is not None)
    assert "Slower" not in cli("run", "--quiet", "Hi").stderr
    assert json.loads(cli("run", "--json", "Hi").output)["text"]


def test_options_reach_the_request(daemon: Daemon, cli: Cli) -> None:
    options = ["-m", "other", "--system", "Be brief.", "--max-tokens", "5"]
    cli("run", *options, "--temperature", "0", "--seed", "7", "Hi")
    [(_, body)] = daemon.asked
    assert "edge" not in body
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["model"], body["max_tokens"]) == ("other", 5)
    assert (body["temperature"], body["seed"]) == (0, 7)


def test_what_an_answer_may_take_is_passed_on(cli: Cli, daemon: Daemon) -> None:
    cli("run", "--energy", "2.5", "--latency", "30", "--prefer", "latency", "Hi")
    edge = {"energy_j": 2.5, "latency_s": 30.0, "prefer": "latency"}
    assert daemon.asked[0][1]["edge"] == edge
    cli("run", "--quality", "high", "Hi")
    cli("run", "--quality", "0.7", "Hi")
    assert [body["edge"]["quality"] for _, body in daemon.asked[1:]] == ["high", 0.7]


def test_how_tokens_are_decided_on_is_passed_on(cli: Cli, daemon: Daemon) -> None:
    cli("run", "--mode", "switch:entropy", "--large-share", "0.2", "--partner", "tiny", "Hi")
    edge = {"mode": "switch:entropy", "partner": "tiny", "large_share": 0.2}
    assert daemon.asked[0][1]["edge"] == edge
    assert cli("run", "--large-share", "20", "Hi").exit_code == 2


@pytest.mark.parametrize("words", [["-"], []])
def test_the_prompt_can_be_piped_in(daemon: Daemon, cli: Cli, words: list[str]) -> None:
    cli("run", *words, input="two\nlines\n")
    assert daemon.asked[0][1]["messages"] == [{"role": "user", "content": "two\nlines"}]


def test_raw_text_is_continued_as_it_is(daemon: Daemon, cli: Cli) -> None:
    result = cli("run", "--raw", "-", input="Once\n")
    [(path, body)] = daemon.asked
    assert (path, body["prompt"]) == ("/v1/completions", "Once\n")
    assert result.stdout == "Hello world\n"


@pytest.mark.parametrize("raw", [[], ["--raw"]])
def test_json_is_one_object_with_all_there_is(daemon: Daemon, cli: Cli, raw: list[str]) -> None:
    daemon.will("é\x1b[2J", reason="length")
    result = cli("run", "--json", *raw, "Hi")
    document = json.loads(result.stdout)
    assert document["text"] == "é\x1b[2J"
    assert document["finish_reason"] == "length"
    assert document["usage"]["completion_tokens"] == 34
    assert document["edge"]["backend"] == "llama.cpp"
    assert result.stderr == ""
    assert result.stdout.isascii()


def test_without_streaming_the_answer_is_the_same(daemon: Daemon, cli: Cli) -> None:
    result = cli("run", "--no-stream", "Hi")
    assert result.stdout == "Hello world\n"
    assert re.fullmatch(COST + "\n", result.stderr)
    assert "stream" not in daemon.asked[0][1]


def test_an_answer_that_was_cut_off_says_so(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hello", reason="length")
    assert cli("run", "Hi").stderr.endswith(", cut off at the token limit\n")


def test_unknown_speed_is_left_out(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hi", edge={"model": "m", "backend": "b", "tokens_per_s": None})
    assert re.fullmatch(r"34 tokens, \d+\.\d\d s, m, b\n", cli("run", "Hi").stderr)


def test_text_with_unusual_line_ends_arrives_whole(daemon: Daemon, cli: Cli) -> None:
    text = "a\u2028b\x85c\x0bd\r\ne\n"
    daemon.will(text)
    assert cli("run", "Hi").stdout_bytes == text.encode()


def test_off_a_terminal_every_character_goes_through(daemon: Daemon, spawn: Spawn) -> None:
    daemon.will("\x1b]0;title\x07[bold]x[/bold]\x00")
    out, _ = spawn("run", "Hi").communicate()
    assert out == b"\x1b]0;title\x07[bold]x[/bold]\x00\n"


def test_on_a_terminal_control_characters_are_dropped(daemon: Daemon, terminal: Start) -> None:
    daemon.will("\x1b]0;title\x07[bold]x\x9b31m\ty\x7f\r[/bold]\n")
    shown = terminal("run", "Hi").read_until("34 tokens")
    assert shown.startswith("]0;title[bold]x31m\ty[/bold]\n")


def test_a_character_that_the_encoding_lacks_does_not_lose_the_answer(
    daemon: Daemon, spawn: Spawn, environ: dict[str, str]
) -> None:
    environ["PYTHONIOENCODING"] = "ascii"
    daemon.will("caf\u00e9 \u00fcber")
    out, _ = spawn("run", "Hi").communicate()
    assert out == b"caf? ?ber\n"


@pytest.mark.parametrize(
    ("words", "input", "told"),
    [
        (["run", "  "], None, "no prompt"),
        (["run"], "\n", "no prompt"),
        (["run", "-"], b"\xff", "not UTF-8"),
        (["run", "--raw", "--system", "s", "x"], None, "--system"),
        (["run", "--max-tokens", "0", "x"], None, "--max-tokens"),
    ],
)
def test_wrong_usage_is_2(
    daemon: Daemon, cli: Cli, words: list[str], input: str | bytes | None, told: str
) -> None:
    result = cli(*words, input=input)
    assert result.exit_code == 2
    assert told in result.stderr
    assert daemon.asked == []


def test_no_prompt_on_a_terminal_is_wrong_usage(daemon: Daemon, terminal: Start) -> None:
    shell = terminal("run")
    assert "no prompt" in shell.rest()
    assert shell.process.wait() == 2


def test_an_answer_that_breaks_off_is_1_and_what_came_is_shown(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hel", end="die")
    result = cli("run", "Hi")
    assert (result.exit_code, result.stdout) == (1, "Hel\n")
    assert "before the answer was complete" in result.stderr


def test_an_error_inside_the_stream_is_1(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hel", end="error")
    result = cli("run", "Hi")
    assert (result.exit_code, result.stdout) == (1, "Hel\n")
    assert "the engine failed" in result.stderr


def test_ctrl_c_cancels_the_request_and_is_130(daemon: Daemon, spawn: Spawn) -> None:
    daemon.will("one ", "two", end="hang")
    process = spawn("run", "Count")
    assert process.stdout.read(7) == b"one two"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == b""
    assert daemon.cancelled.wait(30)


def test_ctrl_c_on_a_terminal_leaves_the_line(daemon: Daemon, terminal: Start) -> None:
    daemon.will("one ", "two", end="hang")
    shell = terminal("run", "Count")
    shell.read_until("one two")
    shell.type("\x03")
    assert shell.rest().endswith("\n")
    assert shell.process.wait() == 130
    assert daemon.cancelled.wait(30)


def test_a_closed_pipe_ends_it_quietly_and_cancels(daemon: Daemon, spawn: Spawn) -> None:
    daemon.will(*["x" * 100] * 5000, end="hang")
    process = spawn("run", "Hi")
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141  # as SIGPIPE has it
