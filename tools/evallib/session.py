"""One evaluation from its journal to its report, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click
from benchlib import BenchError
from rich.console import Console

from edge_rt.cli.progress import progress
from evallib.asker import Asker
from evallib.document import Document
from evallib.hosting import Host
from evallib.journal import Journal
from evallib.markdown import Columns
from evallib.rounds import Rounds, Sampling, Work
from evallib.way import Way

Hosting = Callable[[], AbstractAsyncContextManager[Host]]


@dataclass(frozen=True)
class Session:
    """`hosting` starts what is asked or finds it; `report` makes a document of what was found.

    The journal lies beside `json_file`. What was found so far is reported also when the evaluation
    is interrupted or fails.
    """

    works: Sequence[Work]
    ways: Sequence[Way]
    sampling: Sampling
    patience_s: float
    hosting: Hosting
    report: Callable[[Rounds], Document]
    columns: Columns
    json_file: Path
    md_file: Path | None

    def run(self) -> None:
        """Go on where the journal ends, and report; raises ClickException."""
        try:
            self._run()
        except BenchError as error:
            raise click.ClickException(str(error)) from error

    def _run(self) -> None:
        journal = Journal(self.json_file.with_suffix(".jsonl"))
        rounds: list[Rounds] = []
        try:
            asyncio.run(self._ask(journal, rounds))
        finally:
            journal.close()
            for one in rounds:
                if one.prints:
                    tell(self.report(one), self.columns, self.json_file, self.md_file)

    async def _ask(self, journal: Journal, rounds: list[Rounds]) -> None:
        with progress(Console(stderr=True)) as show:
            show(0.0, "starting")
            async with self.hosting() as host:
                asker = Asker(host.address, self.patience_s)
                rounds.append(Rounds(asker, journal, host.meter, self.ways, self.sampling, show))
                await rounds[0].run(self.works)


def tell(document: Document, columns: Columns, json_file: Path, md_file: Path | None) -> None:
    """Write the results, and show them; raises EvalError where the disk refuses."""
    document.write_json(json_file)
    if md_file is not None:
        document.write_markdown(md_file, columns)
    click.echo(document.markdown(columns))


def running(host: Host) -> AbstractAsyncContextManager[Host]:
    """A host that needs no starting."""
    return nullcontext(host)
