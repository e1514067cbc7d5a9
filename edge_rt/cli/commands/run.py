"""edge-rt run: one answer, by a daemon of its own where there is none."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure, NoDaemon
from edge_rt.cli.options import accepts, asking, daemon_socket, sensors_root_option, socket_option
from edge_rt.cli.progress import ReceivedAnswer, stream, whole
from edge_rt.cli.text import Json, Screen, line, note


@dataclass(frozen=True)
class Standalone:
    """What may be done without asking, and what a daemon that is started here is given."""

    always: bool = False  # start a daemon even where one runs
    yes: bool = False
    config: Path | None = None
    sensors_root: Path | None = None

    @contextmanager
    def daemon(self, socket: Path | None, model: str) -> Generator[Path]:
        """Yield the socket of the daemon to ask for `model`: a running one, or one of our own.

        Raises NoDaemon where none runs and none may be started.
        """
        path = None if self.always else daemon_socket(socket)
        if path is not None and (socket is not None or accepts(path)):
            yield path
            return
        if path is not None and not self.may(f"No daemon answers at {path}. Start one for this?"):
            raise NoDaemon(
                f"no daemon answers at {path}: start one with `edge-rt serve`, or one for this "
                "answer alone with `edge-rt run --standalone`"
            )
        from edge_rt.cli.private_daemon import started  # not needed to ask a running daemon

        with started(model, self.config, self.sensors_root, self.may) as own:
            yield own

    def may(self, question: str) -> bool:
        """Return whether to go on: an option says so, or whoever is at the terminal."""
        if self.always or self.yes:
            return True
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        return asked and click.confirm(question, default=True, err=True)


@click.command()
@click.argument("prompt", nargs=-1)
@socket_option
@click.option(
    "--standalone",
    is_flag=True,
    help="Start a daemon for this answer alone; fetch a model where there is none.",
)
@click.option("-y", "--yes", is_flag=True, help="Do the same where no daemon answers.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="The configuration of a daemon that is started.",
)
@sensors_root_option
@asking
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all there is.")
@click.option("--raw", is_flag=True, help="Let the model continue the prompt: no chat template.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
def run(
    *,
    prompt: tuple[str, ...],
    socket: Path | None,
    standalone: bool,
    yes: bool,
    config: Path | None,
    sensors_root: Path | None,
    system: str | None,
    body: Json,
    as_json: bool,
    raw: bool,
    no_stream: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Ask a model one thing and print its answer.

    The prompt is read from standard input when it is "-", or when there is none and something
    is piped in. What the answer cost is told on standard error, and with --verbose its id, which
    `edge-rt trace` takes.

    Examples:
        edge-rt run "What is the capital of France?"
        dmesg | edge-rt run --prefer quality "Is anything wrong here?"
    """
    if raw and system is not None:
        raise click.UsageError("--system needs the chat template that --raw leaves out.")
    path, asked = question(read_prompt(prompt, raw), system, raw)
    own = Standalone(standalone, yes, config, sensors_root)
    with own.daemon(socket, body["model"]) as there, Client(there) as client:
        if as_json:
            _print_json(whole(client, path, body | asked))
            return
        if not quiet:
            warn(client)
        began, screen = time.monotonic(), Screen()
        if no_stream:
            answer = whole(client, path, body | asked)
            screen.write(answer.text)
        else:
            answer = show(client, path, body | asked, screen, ReceivedAnswer())
        screen.end()
        tell(answer, time.monotonic() - began, quiet=quiet, verbose=verbose)


def question(prompt: str, system: str | None, raw: bool) -> tuple[str, Json]:
    """Return where to ask and what, in the dialect that fits."""
    if raw:
        return "/v1/completions", {"prompt": prompt}
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    return "/v1/chat/completions", {"messages": messages}


def read_prompt(words: tuple[str, ...], raw: bool) -> str:
    """Return the prompt from the command line or standard input; UsageError when there is none.

    The line feed with which piped text ends is no part of a question, but may be of a raw text.
    """
    if words == ("-",) or (not words and not sys.stdin.isatty()):
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError:
            raise click.UsageError("Standard input is not UTF-8 text.") from None
        text = text if raw else text.rstrip("\n")
    else:
        text = " ".join(words)
    if not text.strip() and not (raw and text):
        raise click.UsageError("There is no prompt: name one, or pipe one in.")
    return text


def _print_json(answer: ReceivedAnswer) -> None:
    document: dict[str, Any] = {
        "id": answer.id,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "usage": answer.usage,
        "edge": answer.edge,
    }
    click.echo(json.dumps(document))


def warn(client: Client) -> None:
    """Say what slows an answer, such as other programs or a cap."""
    with suppress(CommandFailure):
        if (why := client.get("/edge/v1/budget").get("slowed")) is not None:
            note(f"Slower than usual: {line(why)}.")


def tell(answer: ReceivedAnswer, wall_s: float, *, quiet: bool, verbose: bool) -> None:
    """Print the cost of a complete answer unless `quiet`, and its id if `verbose`."""
    if not quiet:
        note(answer.cost(wall_s))
    if verbose:
        note(answer.identity())


def show(
    client: Client, path: str, body: Json, screen: Screen, answer: ReceivedAnswer
) -> ReceivedAnswer:
    """Write the answer to `screen` as it comes, and into `answer`."""
    try:
        with closing(stream(client, path, body, answer)) as pieces:
            for piece in pieces:
                screen.write(piece)
    except CommandFailure:
        screen.end()  # the message is to have a line of its own
        raise
    return answer
