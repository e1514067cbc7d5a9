"""edge-rt chat: a conversation."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click

from edge_rt.cli.client import Client
from edge_rt.cli.commands.run import show, tell
from edge_rt.cli.exits import CommandFailure, TooLong
from edge_rt.cli.options import AUTO, DEFAULT, asking, daemon_socket, socket_option
from edge_rt.cli.progress import ReceivedAnswer
from edge_rt.cli.text import Json, Screen, note

HELP = """\
/system TEXT  tell the model how to behave; without TEXT, nothing any more
/reset        forget what was said
/exit, /quit  leave, as Ctrl-D does
//TEXT        ask /TEXT; what begins as a path does (/etc/hosts) needs no second /
Ctrl-C        stop the answer"""
_SHORTENED = (
    "This chat is longer than the model can read: it read {} tokens, without what the question is "
    "least about. /reset begins a new one."
)
_COMMAND = re.compile(r"/([^\s/]+)(?:\s+(.*))?", re.DOTALL)
_LEAVE = {"exit", "quit", "bye"}


@click.command()
@socket_option
@asking
def chat(socket: Path | None, system: str | None, body: Json, quiet: bool, verbose: bool) -> None:
    """Talk with a model, a line at a time.

    Ctrl-C stops an answer, Ctrl-D leaves, /help lists the commands. When standard input is no
    terminal each of its lines is asked in turn.

    Example:
        edge-rt chat --model smollm2-135m-instruct
    """
    model, pin, _ = body["model"].partition("@")
    with Client(daemon_socket(socket)) as client:
        # Where the daemon chooses among all, it must have one at least.
        card = client.get(f"/v1/models/{quote(DEFAULT if model == AUTO else model, safe='')}")
        interactive = sys.stdin.isatty() and sys.stdout.isatty()
        if interactive:
            name = body["model"] if pin or model == AUTO else card.get("id", model)
            note(f"{name}: /help lists the commands, Ctrl-D leaves.")
        lines = partial(tell, quiet=quiet, verbose=verbose)
        talk = Chat(client, body, system, Screen(), interactive, lines)
        talk.loop(reader(interactive))


def reader(interactive: bool) -> Callable[[], str]:
    """Return what gives the next line and raises EOFError after the last."""
    if interactive:
        with suppress(ImportError):
            import readline  # noqa: F401  # pyright: ignore[reportUnusedImport]
        return lambda: input("> ")
    return _piped_line


def _piped_line() -> str:
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line


class Chat:
    """Asks line after line; `interactive` means that a person can read and try again.

    `tell` prints what follows an answer, given it and its seconds.
    """

    def __init__(
        self,
        client: Client,
        body: Json,
        system: str | None,
        screen: Screen,
        interactive: bool,
        tell: Callable[[ReceivedAnswer, float], None],
    ) -> None:
        self._client = client
        self._body = body
        self._system = system
        self._turns: list[Json] = []  # messages in the API's shape
        self._screen = screen
        self._interactive = interactive
        self._tell = tell

    def loop(self, read: Callable[[], str]) -> None:
        """Go on until there are no more lines or one of them is /exit."""
        going = True
        while going:
            try:
                line = read().strip()
            except EOFError:
                break
            except UnicodeDecodeError:
                if not self._interactive:
                    raise click.UsageError("Standard input is not UTF-8 text.") from None
                note("That is not UTF-8 text.")
            except KeyboardInterrupt:
                if not self._interactive:
                    raise
                note("\nCtrl-D or /exit leaves.")
            else:
                going = self._line(line)
        if self._interactive and going:
            note("")  # leave the line of the prompt

    def _line(self, line: str) -> bool:
        """Deal with one line; False when it was the last."""
        command = _COMMAND.fullmatch(line)
        if command:
            return self._command(command[1], (command[2] or "").strip())
        if line:
            self._ask(line[1:] if line.startswith("//") else line)
        return True

    def _command(self, word: str, text: str) -> bool:
        name = word.lower()
        if name == "system":
            self._system = text or None
            note("The system message is set." if text else "There is no system message now.")
        elif name == "reset":
            self._turns.clear()
            note("Forgotten: a new conversation begins.")
        elif name == "help":
            note(HELP)
        elif name not in _LEAVE:
            note(f"There is no /{word}; /help lists the commands, //{word} asks the model.")
        return name not in _LEAVE

    def _ask(self, question: str) -> None:
        answer, began = ReceivedAnswer(), time.monotonic()
        edge = {"context": True} | self._body.get("edge", {})
        system = [{"role": "system", "content": self._system}] if self._system else []
        asked = {"role": "user", "content": question}
        body = self._body | {"edge": edge, "messages": [*system, *self._turns, asked]}
        ending: CommandFailure | None = None
        stopped = False
        try:
            show(self._client, "/v1/chat/completions", body, self._screen, answer)
        except KeyboardInterrupt:
            stopped = True
        except TooLong as failure:
            words = "The conversation is full: /reset begins a new one. " if self._turns else ""
            ending = TooLong(f"{words}{failure.message}")
        except CommandFailure as failure:
            ending = failure
        self._screen.end()
        if answer.text:  # one that was stopped counts as far as it was said
            self._turns += [asked, {"role": "assistant", "content": answer.text}]
        if ending is None:
            seconds = time.monotonic() - began
            if stopped:
                note(f"stopped after {seconds:.2f} s")
            else:
                self._tell(answer, seconds)
                if left_out := answer.edge.get("left_out"):
                    note(_SHORTENED.format(left_out["tokens"]))
        elif self._interactive:
            ending.show()
        else:
            raise ending
