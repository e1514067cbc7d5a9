"""A chat remembers what was said; Ctrl-C stops the answer and not the program."""

from __future__ import annotations

import signal
from typing import Any

import pytest

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Start = Any
FULL = {
    "message": "This model's maximum context length is 64 tokens, and the prompt has 70",
    "param": "messages",
    "code": "context_length_exceeded",
}


def said(daemon: Daemon, number: int = -1) -> list[tuple[str, str]]:
    """The messages of one request."""
    return [(m["role"], m["content"]) for m in daemon.asked[number][1]["messages"]]


def test_each_line_is_asked_with_all_that_was_said_before(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hello", " Ada")
    daemon.will("Ada\n")
    result = cli("chat", input="I am Ada\n\nWho am I?\n")
    assert (result.exit_code, result.stdout) == (0, "Hello Ada\nAda\n")
    assert said(daemon, 0) == [("user", "I am Ada")]
    assert said(daemon, 1) == [
        ("user", "I am Ada"),
        ("assistant", "Hello Ada"),
        ("user", "Who am I?"),
    ]
    assert result.stderr.count("34 tokens, 68.1 tok/s") == 2


def test_cost_and_id_follow_each_answer_as_asked(daemon: Daemon, cli: Cli) -> None:
    assert cli("chat", "--quiet", input="a\nb\n").stderr == ""
    assert cli("chat", "-q", "--verbose", input="a\nb\n").stderr == "id chatcmpl-7\n" * 2


def test_options_reach_every_request(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/v1/models/a%2Fb"] = (200, {"id": "a/b"})
    options = ["--max-tokens", "5", "--temperature", "0.5", "--seed", "3", "--system", "Rhyme."]
    cli("chat", "-m", "a/b", *options, input="Hi\nHo\n")
    for _, body in daemon.asked:
        assert body["messages"][0] == {"role": "system", "content": "Rhyme."}
        assert (body["model"], body["max_tokens"]) == ("a/b", 5)
        assert (body["temperature"], body["seed"], body["stream"]) == (0.5, 3, True)


@pytest.mark.parametrize(("name", "looked_up"), [("auto", "default"), ("a@onnx-int4", "a")])
def test_a_model_need_not_be_settled_at_the_start(
    daemon: Daemon, cli: Cli, name: str, looked_up: str
) -> None:
    daemon.documents[f"/v1/models/{looked_up}"] = (200, {"id": "a"})
    assert cli("chat", "-m", name, input="Hi\n").exit_code == 0
    assert daemon.asked[0][1]["model"] == name


def test_reset_forgets_the_turns_but_not_the_system(daemon: Daemon, cli: Cli) -> None:
    cli("chat", "--system", "Rhyme.", input="one\n/reset\ntwo\n")
    assert said(daemon) == [("system", "Rhyme."), ("user", "two")]


def test_system_can_be_set_and_taken_back(daemon: Daemon, cli: Cli) -> None:
    cli("chat", input="/system Be brief, please.\none\n/system\n/reset\ntwo\n")
    assert said(daemon, 0) == [("system", "Be brief, please."), ("user", "one")]
    assert said(daemon, 1) == [("user", "two")]


def test_commands_confirm_what_they_did_in_one_line(daemon: Daemon, cli: Cli) -> None:
    result = cli("chat", input="/reset\n/system Be brief.\n/system\n")
    assert result.stderr.splitlines() == [
        "Forgotten: a new conversation begins.",
        "The system message is set.",
        "There is no system message now.",
    ]


@pytest.mark.parametrize("word", ["/exit", "/quit", "/bye", "/EXIT", " /Quit now"])
def test_exit_leaves_at_once(daemon: Daemon, cli: Cli, word: str) -> None:
    assert cli("chat", input=f"{word}\nHi\n").exit_code == 0
    assert daemon.asked == []


@pytest.mark.parametrize("word", ["/help", "/HELP"])
def test_help_tells_every_command(daemon: Daemon, cli: Cli, word: str) -> None:
    result = cli("chat", input=f"{word}\n")
    for told in ("/system", "/reset", "/exit", "/quit", "//TEXT"):
        assert told in result.stderr
    assert daemon.asked == []


@pytest.mark.parametrize("word", ["/nonsense", "/Foo-bar", "/2"])
def test_unknown_commands_ask_nothing(daemon: Daemon, cli: Cli, word: str) -> None:
    result = cli("chat", input=f"{word} to the model?\n")
    assert f"There is no {word}" in result.stderr
    assert "/help" in result.stderr
    assert daemon.asked == []


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("/etc/fstab is what?", "/etc/fstab is what?"),
        ("//tmp is what?", "/tmp is what?"),
        ("//help", "/help"),
        ("/ is what?", "/ is what?"),
    ],
)
def test_what_is_no_command_is_asked(daemon: Daemon, cli: Cli, line: str, asked: str) -> None:
    cli("chat", input=f"{line}\n")
    assert said(daemon) == [("user", asked)]


def test_a_long_chat_may_be_shortened_and_that_is_told(daemon: Daemon, cli: Cli) -> None:
    edge = {"left_out": {"tokens": 3000, "of_tokens": 5000, "messages": ["1-9"], "why": "so"}}
    daemon.will("Well", edge=edge)
    assert "it read 3000 tokens" in cli("chat", "-q", input="one\n").stderr
    assert cli("chat", "--prefer", "quality", input="one\n").exit_code == 0
    assert [body["edge"] for _, body in daemon.asked] == [
        {"context": True},
        {"context": True, "prefer": "quality"},
    ]


def test_a_full_conversation_says_how_to_go_on(daemon: Daemon, cli: Cli) -> None:
    daemon.will("Hello")
    daemon.will_refuse(400, FULL)
    result = cli("chat", input="one\ntwo\n")
    assert result.exit_code == 1
    assert "The conversation is full" in result.stderr
    assert "/reset" in result.stderr
    assert "(in messages)" not in result.stderr


def test_a_first_question_that_is_too_long_is_no_full_conversation(
    daemon: Daemon, cli: Cli
) -> None:
    daemon.will_refuse(400, FULL)
    result = cli("chat", input="one\n")
    assert result.stderr == f"Error: {FULL['message']}\n"


def test_on_a_terminal_a_full_conversation_goes_on_after_reset(
    daemon: Daemon, terminal: Start
) -> None:
    daemon.will("Hello\n")
    daemon.will_refuse(400, FULL)
    daemon.will_refuse(400, FULL)
    shell = terminal("chat")
    for line in ("one", "two"):
        shell.read_until("> ")
        shell.type(f"{line}\n")
    shell.read_until("The conversation is full")
    shell.read_until("> ")
    shell.type("three\n")
    shell.read_until("The conversation is full")
    shell.read_until("> ")
    shell.type("/reset\n")
    shell.read_until("> ")
    shell.type("four\n")
    shell.read_until("Hello world\n")
    assert said(daemon, 2) == [("user", "one"), ("assistant", "Hello\n"), ("user", "three")]
    assert said(daemon, 3) == [("user", "four")]


def test_an_unknown_model_is_told_before_anything_is_asked(daemon: Daemon, cli: Cli) -> None:
    result = cli("chat", "-m", "absent", input="Hi\n")
    assert result.exit_code == 4
    assert daemon.asked == []


def test_a_failure_ends_a_piped_chat_with_its_exit_code(daemon: Daemon, cli: Cli) -> None:
    daemon.will_refuse(503, {"message": "the queue is full"})
    assert cli("chat", input="one\ntwo\n").exit_code == 5
    assert len(daemon.asked) == 1


def test_input_that_is_no_text_is_wrong_usage(daemon: Daemon, cli: Cli) -> None:
    assert cli("chat", input=b"\xff\n").exit_code == 2


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(daemon: Daemon, spawn: Spawn) -> None:
    daemon.will("one ", "two", end="hang")
    daemon.will("more")
    process = spawn("chat")
    process.stdin.write(b"Count\nGo on\n")
    process.stdin.flush()
    assert process.stdout.read(7) == b"one two"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate()
    assert (process.returncode, out) == (0, b"\nmore\n")
    assert b"stopped after" in errors
    assert daemon.cancelled.is_set()
    assert said(daemon) == [("user", "Count"), ("assistant", "one two"), ("user", "Go on")]


def test_on_a_terminal_ctrl_c_and_ctrl_d_do_what_help_says(daemon: Daemon, terminal: Start) -> None:
    daemon.will("one ", "two", end="hang")
    shell = terminal("chat")
    assert "smollm2-135m-instruct: /help" in shell.read_until("leaves.")
    shell.read_until("> ")
    shell.interrupt_until("Ctrl-D or /exit leaves.")
    shell.read_until("> ")
    shell.type("Count\n")
    shell.read_until("one two")
    shell.type("\x03")
    shell.read_until("stopped after")
    shell.read_until("> ")
    shell.type("Again\n")
    shell.read_until("Hello world\n")
    shell.read_until("> ")
    shell.type("\x04")
    shell.rest()
    assert shell.process.wait() == 0
    assert said(daemon) == [("user", "Count"), ("assistant", "one two"), ("user", "Again")]


def test_on_a_terminal_a_failure_is_shown_and_the_chat_goes_on(
    daemon: Daemon, terminal: Start
) -> None:
    daemon.will_refuse(503, {"message": "the queue is full"})
    shell = terminal("chat")
    shell.read_until("> ")
    shell.type("one\n")
    shell.read_until("Error: the queue is full")
    shell.read_until("> ")
    shell.type("two\n")
    shell.read_until("Hello world\n")
    shell.read_until("> ")
    shell.type("/exit\n")
    shell.rest()
    assert shell.process.wait() == 0
    assert said(daemon) == [("user", "two")]
