"""One evaluation from its journal to its report, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import click
from bootstrap.signals import end_cleanly_on_signals
from rich.console import Console

from edge_rt.cli.progress import progress
from evallib.asker import Asker
from evallib.document import Document
from evallib.hosting import Host
from evallib.journal import Journal
from evallib.markdown import Columns
from evallib.rounds import Rounds, Sampling, Work
from evallib.way import Way


@dataclass(frozen=True)
class Session:
    """`hosting` is what is asked; `report` makes a document of what was found.

    The journal lies beside `json_file`. What was found so far is reported also when the evaluation
    is interrupted or fails.
    """

    works: Sequence[Work]
    ways: Sequence[Way]
    sampling: Sampling
    patience_s: float
    hosting: AbstractAsyncContextManager[Host]
    report: Callable[[Rounds], Document]
    columns: Columns
    json_file: Path
    md_file: Path | None

    def run(self) -> None:
        """Go on where the journal ends, and report; raises BenchError."""
        end_cleanly_on_signals()
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
            async with self.hosting as host:
                asker = host.asker or Asker(host.address, self.patience_s)
                rounds.append(Rounds(asker, journal, self.ways, self.sampling, show))
                await rounds[0].run(self.works)


def tell(document: Document, columns: Columns, json_file: Path, md_file: Path | None) -> None:
    """Write the results, and show them; raises EvalError where the disk refuses."""
    document.write_json(json_file)
    if md_file is not None:
        document.write_markdown(md_file, columns)
    click.echo(document.markdown(columns))
