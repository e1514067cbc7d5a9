"""What is shown while a command works: bars, and an answer as it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.text import (
    Json,
    clean,
    duration,
    fixed,
    joules,
    line,
    making,
    number,
    significant,
    size,
)

_WIDE = 100  # columns from which on there is room for a bar and more figures
_ALONE = "nothing else was asked for"  # the daemon's word where there was nothing to choose


@contextmanager
def progress(
    console: Console | None = None, first: str = ""
) -> Generator[Callable[[float, str], None]]:
    """Show on standard error a bar where that is a terminal.

    Else there is a line for each new thing and each ten percent. `first` is what is done before
    anything is counted. Yields a function of the share that is done, 0 to 1, and of what is being
    done.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:  # many versions of rich write a blank line for a hidden bar
        yield _lines(console)
        return
    with Progress(
        *([BarColumn()] if console.width >= _WIDE else []),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        *([TimeRemainingColumn()] if console.width >= _WIDE else []),
        TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(clean(first), total=None)
        yield lambda done, doing: bar.update(
            task, completed=done, total=1.0, description=clean(doing)
        )


def _lines(console: Console) -> Callable[[float, str], None]:
    before = ("", -1)

    def show(done: float, doing: str) -> None:
        nonlocal before
        if (now := (doing, int(10 * done))) != before:
            before = now
            console.file.write(f"{100 * done:3.0f} % {clean(doing)}\n")
            console.file.flush()

    return show


@contextmanager
def bar(
    doing: str, then: str | None = None, console: Console | None = None, *, lines: bool = False
) -> Generator[Callable[[int, int], None]]:
    """Show progress that says `doing` and the bytes, and `then` once all of them are done.

    Yields a function of the bytes done and the bytes in all. Where standard error is no terminal
    that can redraw a line nothing is shown, or with `lines` a line for each ten percent.
    """
    console = console or Console(stderr=True)
    if not (console.is_interactive or lines):
        yield lambda done, total: None
        return
    with progress(console, doing) as tell:

        def show(done: int, total: int) -> None:
            now = then if then is not None and done >= total else doing
            if not console.is_interactive:
                now = f"{now} ({size(total)})"
            elif console.width >= _WIDE:
                now = f"{size(done)} of {size(total)}  {now}"
            tell(done / total if total else 1.0, now)

        yield show


def calibrated(client: Client, body: Json) -> Json:
    """Have the daemon calibrate with the request `body`, show the progress, and return the result.

    Raises CommandFailure with the reason where the daemon refuses, or ends without a result.
    """
    with progress() as tell, closing(client.events("/edge/v1/calibrate", body)) as events:
        for event in events:
            if event.get("type") == "progress":
                tell(number(event.get("done")) or 0.0, line(event.get("doing")))
            elif event.get("type") == "refused":
                raise CommandFailure(f"not calibrated: {line(event.get('reason'))}")
            else:
                return event
    raise CommandFailure("the daemon told nothing of what it found")


@dataclass
class ReceivedAnswer:
    """What has come so far; `usage` and `edge` are the API's objects, empty until the end."""

    text: str = ""
    finish_reason: str | None = None
    usage: Json = field(default_factory=dict[str, Any])
    edge: Json = field(default_factory=dict[str, Any])
    id: str = ""

    def take(self, document: Json) -> str:
        """Book a whole answer or one event of a stream; returns the text that it adds."""
        self.id = document.get("id") or self.id
        self.usage = document.get("usage") or self.usage
        self.edge = document.get("edge") or self.edge
        added = ""
        for choice in document.get("choices", []):
            said: Json = choice.get("delta") or choice.get("message") or {}
            added += said.get("content") or choice.get("text") or ""
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.text += added
        return added

    def cost(self, wall_s: float) -> str:
        """Return the cost in one line.

        It has tokens, speed of decoding, seconds in all, energy, model, backend, how two models or
        drafts made it, and whether that was before.

        Then why another model answered or the answer ended early, where that is so.
        """
        tokens, speed = self.usage.get("completion_tokens"), self.edge.get("tokens_per_s")
        parts = [
            "" if tokens is None else f"{tokens} token{'' if tokens == 1 else 's'}",
            "" if speed is None else f"{speed:.1f} tok/s",
            f"{wall_s:.2f} s",
            *_energy(self.edge),
            f"simulated {line(board)}" if (board := self.edge.get("simulated")) else "",
            self.edge.get("model", ""),
            self.edge.get("backend", ""),
            making(self.edge),
            _again(self.edge),
            self._end(),
        ]
        return ", ".join(part for part in parts if part)

    def identity(self) -> str:
        """Return the id in one line, with the command that explains the choice if there was one."""
        id, routed = line(self.id or None), self.edge.get("route") not in (None, _ALONE)
        return f"id {id}, why: edge-rt trace {id}" if routed else f"id {id}"

    def _end(self) -> str:
        why, asked = self.edge.get("why"), self.edge.get("asked")
        limit = "cut off at the token limit" if self.finish_reason == "length" else ""
        if why is None:
            return limit
        return f"{line(why)}; {limit}" if asked is not None and limit else line(why)


def stream(
    client: Client, path: str, body: Json, answer: ReceivedAnswer
) -> Generator[str, None, None]:
    """Ask for `body` as a stream and fill `answer`; gives each piece of text as it comes.

    Closing the iterator early cancels the request.
    """
    with closing(client.events(path, streaming(body))) as events:
        for event in events:
            if added := answer.take(event):
                yield added


def streaming(body: Json) -> Json:
    """Return the request with which `body` is answered as a stream that ends with its cost."""
    return body | {"stream": True, "stream_options": {"include_usage": True}}


def whole(client: Client, path: str, body: Json) -> ReceivedAnswer:
    """Ask for `body` and wait for all of the answer."""
    answer = ReceivedAnswer()
    answer.take(client.post(path, body))
    return answer


def _energy(edge: Json) -> Iterator[str]:
    """Yield joules, mean watts and degrees as far as they are known.

    A daemon may tell none of them.
    """
    quality, power_w = edge.get("energy_quality"), number(edge.get("power_w"))
    if number(edge.get("energy_j")) is not None:
        yield f"{joules(edge['energy_j'])} ({line(quality)})"
    elif quality is not None:
        yield "energy unresolved"
    if power_w is not None:
        modelled = edge.get("power_quality") == "modelled"
        yield f"{significant(power_w)} W{' (modelled)' if modelled else ''}"
    if number(edge.get("temp_c")) is not None:
        yield f"{fixed(edge['temp_c'], 0)} °C"


def _again(edge: Json) -> str:
    """Return the age of a cached answer and the joules that it took when it was made.

    Its question is added where that was another one.
    """
    if edge.get("cache") is None:
        return ""
    age = duration(edge.get("cache_age_s"))
    took = number(edge.get("cache_energy_j"))
    other = edge.get("cache_question")
    return (
        f"answered {age} ago"
        + ("" if took is None else f" for {joules(took)}")
        + ("" if other is None else f' to "{line(other)}"')
    )
