"""`tools/convert`: a model as a folder that onnxruntime runs, checked against the original."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from bootstrap.paths import cache_dir
from bootstrap.progress import Progress
from rich.console import Console

from convertlib import ConvertError
from convertlib.builder import Builder
from convertlib.check import Check, check_model
from convertlib.entry import entry_yaml, hashes
from convertlib.folder import convert_folder
from convertlib.folder_check import check_folder
from convertlib.model import GRAPH, TOKENIZER, convert_gguf
from convertlib.report import table
from convertlib.text import drawn, tokens_of, windows
from edge_rt.models.formats.card import CARD, read_card


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--bits",
    type=click.Choice(["8", "4"]),
    help="Round every matrix to that many bits; 4 only with a folder.",
)
@click.option("--check/--no-check", default=True, help="Compare with the original afterwards.")
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
    """Convert the model SOURCE to ONNX, into FOLDER, which must not be there yet.

    SOURCE is a GGUF file, whose weights go over block for block and without loss (architectures:
    llama, qwen2, gemma3), or a Hugging Face folder, which onnxruntime-genai's model builder
    converts in an environment of its own; the first time, that is fetched, torch included.

    Then a text goes through the original and onnxruntime. Exit code 1 where they differ too much:
    by more than llama.cpp differs from itself in batches, or, with a folder, by more than rounding
    costs. The model's catalogue entry goes to standard output.
    """
    if bits == "4" and not source.is_dir():
        raise click.UsageError("a GGUF file is rounded to 8 bits at most; 4 goes with a folder")
    threads = threads or max(1, (os.cpu_count() or 1) - 1)
    job = Job(source, folder, int(bits) if bits else None, text, tokens, threads)
    try:
        job.convert()
        found = job.check() if check else None
        sums = hashes(folder)
        job.write_report(report or Path(f"{folder}.check.json"), sums, found)
    except ConvertError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:  # a disk that is full, a folder that may not be written
        place = error.filename or folder
        raise click.ClickException(f"{place}: {error.strerror or error}") from error
    click.echo(entry_yaml(folder, sums), nl=False)
    if found is not None and found.faults:
        raise click.ClickException("\n".join(["the model differs too much", *found.faults]))


@dataclass(frozen=True)
class Job:
    """One conversion."""

    source: Path
    folder: Path
    bits: int | None
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
            if self.source.is_dir():
                convert_folder(Builder(cache_dir()), self.source, unfinished, self.bits)
            else:
                self._convert_gguf(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _convert_gguf(self, target: Path) -> None:
        with Progress(f"Converting {self.source.name}") as progress:
            convert_gguf(
                self.source,
                target,
                round_all=self.bits is not None,
                on_layer=lambda done, count: progress.update(done / count, f"layer {done}"),
            )

    def check(self) -> Check:
        """Compare with the original; the table goes to standard error."""
        found = self._check_folder() if self.source.is_dir() else self._check_gguf()
        Console(stderr=True, width=100).print(table(found))
        return found

    def _check_folder(self) -> Check:
        text = None if self.text is None else self.text.read_text("utf-8", errors="replace")
        builder = Builder(cache_dir())
        return check_folder(builder, self.source, self.folder, self.bits, text, self.tokens)

    def _check_gguf(self) -> Check:
        quantised = not read_card(self.folder / CARD).quantisation.startswith(("fp", "bf"))
        with Progress("Comparing with llama.cpp") as progress:
            progress.update(None, "the text")
            return check_model(
                self.source,
                self.folder / GRAPH,
                windows(self._tokens()),
                threads=self.threads,
                quantised=quantised,
                on_run=progress.update,
            )

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
