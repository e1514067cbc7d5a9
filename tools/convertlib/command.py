"""`tools/convert`: a model as a folder that onnxruntime runs, checked against the original."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from bootstrap.progress import Progress
from rich.console import Console

from convertlib import ConvertError
from convertlib.check import Check, check_model
from convertlib.entry import entry_yaml, hashes
from convertlib.model import GRAPH, TOKENIZER, convert_gguf
from convertlib.report import table
from convertlib.text import drawn, tokens_of, windows
from edge_rt.models.card import CARD, read_card


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--bits", type=click.Choice(["8"]), help="Round every matrix to that many bits.")
@click.option("--check/--no-check", default=True, help="Compare with llama.cpp afterwards.")
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare on this text, not on one that the model makes up.",
)
@click.option(
    "--tokens",
    default=512,
    show_default=True,
    type=click.IntRange(2),
    help="Of the text, at most.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="For the comparison; by default all cores but one."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Write what was found here; by default to FOLDER.check.json.",
)
def command(
    source: Path,
    folder: Path,
    bits: str | None,
    check: bool,
    text: Path | None,
    tokens: int,
    threads: int | None,
    report: Path | None,
) -> None:
    """Convert the GGUF file SOURCE to ONNX, into FOLDER, which must not be there yet.

    Weights go over block for block and without loss. Architectures: llama, qwen2, gemma3.

    Then a text goes through llama.cpp and onnxruntime. Exit code 1 where they differ by more than
    llama.cpp differs from itself in batches. The model's catalogue entry goes to standard output.
    """
    job = Job(
        source, folder, bits == "8", text, tokens, threads or max(1, (os.cpu_count() or 1) - 1)
    )
    try:
        job.convert()
        found = job.check() if check else None
    except ConvertError as error:
        raise click.ClickException(str(error)) from error
    sums = hashes(folder)
    job.write_report(report or Path(f"{folder}.check.json"), sums, found)
    click.echo(entry_yaml(folder, sums), nl=False)
    if found is not None and found.faults:
        raise click.ClickException("\n".join(["the model differs too much", *found.faults]))


@dataclass(frozen=True)
class Job:
    """One conversion."""

    source: Path
    folder: Path
    round_all: bool
    text: Path | None
    tokens: int
    threads: int

    def convert(self) -> None:
        """Make the folder, which is there as a whole or not at all."""
        if self.folder.exists():
            raise ConvertError(f"{self.folder} is there already")
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".convert-", dir=self.folder.parent))
        try:
            with Progress(f"Converting {self.source.name}") as progress:
                convert_gguf(
                    self.source,
                    unfinished,
                    round_all=self.round_all,
                    on_layer=lambda done, count: progress.update(done / count, f"layer {done}"),
                )
            unfinished.chmod(0o755)
            unfinished.rename(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def check(self) -> Check:
        """Compare with llama.cpp; the table goes to standard error."""
        quantised = not read_card(self.folder / CARD).quantisation.startswith(("fp", "bf"))
        with Progress("Comparing with llama.cpp") as progress:
            progress.update(None, "the text")
            found = check_model(
                self.source,
                self.folder / GRAPH,
                windows(self._tokens()),
                threads=self.threads,
                quantised=quantised,
                on_run=progress.update,
            )
        Console(stderr=True, width=100).print(table(found))
        return found

    def _tokens(self) -> list[int]:
        if self.text is None:
            return drawn(self.source, self.tokens, threads=self.threads)
        text = self.text.read_text("utf-8", errors="replace")
        return tokens_of(self.source, self.folder / TOKENIZER, text, self.tokens)

    def write_report(self, path: Path, sums: dict[str, str], found: Check | None) -> None:
        """What was converted, the sha256 of every file, and the comparison if there was one."""
        document = {
            "source": self.source.name,
            "source_sha256": read_card(self.folder / CARD).source_sha256,
            "files": sums,
            "check": None if found is None else found.as_json(),
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
