"""The options that both evaluations share, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from bootstrap.paths import cache_dir

from evallib.hosting import address_of
from evallib.rounds import Sampling, Work
from evallib.task import sample
from evallib.tasks import NAMES, task_of

BESIDE = "; beside it, with the ending .jsonl, lie the answers"
Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
MARKDOWN = click.option("--md", "md_file", type=_FILE, help="Write the tables here, in Markdown.")
STORE = click.option(
    "--store",
    default=lambda: cache_dir() / "store",
    type=click.Path(path_type=Path),
    help="Where our daemon finds models.",
)
_OPTIONS = (
    click.option(
        "--task",
        "tasks",
        multiple=True,
        required=True,
        type=click.Choice(NAMES),
        help="May be given several times.",
    ),
    click.option(
        "--data",
        required=True,
        type=click.Path(path_type=Path),
        help="The folder that holds the questions.",
    ),
    click.option(
        "--limit", type=click.IntRange(1), help="Questions of each task; default: all of them."
    ),
    click.option("--seed", default=0, show_default=True, help="Of the order, and of drawing."),
    click.option(
        "--temperature",
        default=0.0,
        show_default=True,
        type=click.FloatRange(0, 2),
        help="0: greedy.",
    ),
    click.option(
        "--max-tokens", type=click.IntRange(1), help="Of an answer; default: by the task."
    ),
    STORE,
    click.option("--threads", type=click.IntRange(1), help="Of our daemon; default: its choice."),
    click.option(
        "--patience",
        default=900.0,
        show_default=True,
        help="Seconds to wait for an answer, at most.",
    ),
    MARKDOWN,
)


def result(name: str, beside: str = "") -> Callable[[Command], Command]:
    """Give a command the option --json: the file NAME.json, and what lies `beside` it."""
    return click.option(
        "--json",
        "json_file",
        default=Path(f"{name}.json"),
        show_default=True,
        type=_FILE,
        help=f"The result{beside}.",
    )


def asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options --socket and --url, as the `address` that they name, if any."""

    @click.option("--socket", type=click.Path(path_type=Path), help="Ask this socket's daemon.")
    @click.option("--url", help="Ask the server at http://HOST:PORT.")
    @wraps(command)
    def call(socket: Path | None, url: str | None, **options: Any) -> None:
        if socket is not None and url is not None:
            raise click.UsageError("--socket and --url are two servers: name one.")
        command(address=address_of(socket, url), **options)

    return call


def shared(command: Command) -> Command:
    """Give `command` the options of all evaluations."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Options:
    """What they say."""

    tasks: Sequence[str]
    data: Path
    limit: int | None
    seed: int
    temperature: float
    max_tokens: int | None
    store: Path
    threads: int | None
    patience: float
    md_file: Path | None

    def works(self, *, even: bool = False) -> list[Work]:
        """The questions, or the `even` ones of each task; raises EvalError."""
        tasks = [task_of(name) for name in dict.fromkeys(self.tasks)]
        step = 2 if even else 1
        found = [(task, task.items(self.data)[::step]) for task in tasks]
        return [Work(task, sample(items, self.limit, self.seed)) for task, items in found]

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        return Sampling(self.temperature, self.seed, self.max_tokens)

    def about(self, works: Sequence[Work]) -> dict[str, object]:
        """For the report."""
        return {
            "questions": {work.task.name: len(work.items) for work in works},
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": {
                work.task.name: self.max_tokens or work.task.max_tokens for work in works
            },
        }
