"""edge-rt run: one prompt, one answer."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from edge_rt.cli.answer import ReceivedAnswer, stream, whole
from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure, NoModel
from edge_rt.cli.options import asking
from edge_rt.cli.standalone import Standalone, standalone_options
from edge_rt.cli.text import Json, Screen, note
from edge_rt.cli.where import socket_option


@click.command()
@click.argument("prompt", nargs=-1)
@socket_option
@standalone_options
@asking
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all there is.")
@click.option("--raw", is_flag=True, help="Let the model continue the prompt: no chat template.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
def run(
    *,
    prompt: tuple[str, ...],
    socket: Path | None,
    standalone: Standalone,
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
    """
    if raw and system is not None:
        raise click.UsageError("--system needs the chat template that --raw leaves out.")
    path, asked = question(read_prompt(prompt, raw), system, raw)

    def ask(client: Client) -> None:
        if as_json:
            _print_json(whole(client, path, body | asked))
        else:
            began, answer = time.monotonic(), _print_text(client, path, body | asked, no_stream)
            tell(answer, time.monotonic() - began, quiet=quiet, verbose=verbose)

    model = body["model"]
    with standalone.daemon(socket, model) as there, Client(there) as client:
        try:
            ask(client)
        except NoModel as error:
            standalone.fetch(model, there, error)
            ask(client)


def question(prompt: str, system: str | None, raw: bool) -> tuple[str, Json]:
    """Where to ask and what, in the dialect that fits."""
    if raw:
        return "/v1/completions", {"prompt": prompt}
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    return "/v1/chat/completions", {"messages": messages}


def read_prompt(words: tuple[str, ...], raw: bool) -> str:
    """The prompt from the command line or standard input; UsageError when there is none.

    The line feed with which piped text ends is no part of a question, but may be of a raw text.
    """
    if words == ("-",) or (not words and not sys.stdin.isatty()):
        text = _standard_input()
        text = text if raw else text.rstrip("\n")
    else:
        text = " ".join(words)
    if not text.strip() and not (raw and text):
        raise click.UsageError("There is no prompt: name one, or pipe one in.")
    return text


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not UTF-8 text.") from None


def _print_json(answer: ReceivedAnswer) -> None:
    document: dict[str, Any] = {
        "id": answer.id,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "usage": answer.usage,
        "edge": answer.edge,
    }
    click.echo(json.dumps(document))


def _print_text(client: Client, path: str, body: Json, no_stream: bool) -> ReceivedAnswer:
    screen = Screen()
    if no_stream:
        answer = whole(client, path, body)
        screen.write(answer.text)
    else:
        answer = show(client, path, body, screen, ReceivedAnswer())
    screen.end()
    return answer


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
