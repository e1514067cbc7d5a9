"""edge-rt models convert: a GGUF model as an ONNX one."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_rt.cli.exits import CommandFailure

_EXTRA = "Conversion needs more packages. Run: pip install 'edge-rt[convert]'"


@click.command("convert")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--bits", type=click.Choice(["8"]), help="Quantize every matrix to that many bits.")
@click.option("--check/--no-check", default=True, help="Compare with the original afterwards.")
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare on this text instead of one that the model makes up.",
)
@click.option(
    "--tokens",
    default=512,
    show_default=True,
    type=click.IntRange(2),
    help="Compare on at most so many tokens.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads for the comparison; by default all cores but one.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Where to write the report; by default FOLDER.check.json.",
)
def convert_model(
    source: Path,
    folder: Path,
    bits: str | None,
    check: bool,
    text: Path | None,
    tokens: int,
    threads: int | None,
    report: Path | None,
) -> None:
    """Convert the GGUF file SOURCE to ONNX, into the new folder FOLDER.

    Its weights are copied block for block and without loss (architectures: llama, qwen2, gemma3).

    Then a text is read by llama.cpp and by onnxruntime. The exit code is 1 where they differ by
    more than llama.cpp differs from itself in batches. The model's catalogue entry is printed.

    Example:
        edge-rt models convert my-model.gguf ./converted
    """
    try:
        from edge_rt_convert import ConvertError
        from edge_rt_convert.job import Job
    except ModuleNotFoundError as error:
        raise CommandFailure(_EXTRA) from error
    threads = threads or max(1, (os.cpu_count() or 1) - 1)
    job = Job(source, folder, bits is not None, text, tokens, threads)
    try:
        entry, faults = job.run(report or Path(f"{folder}.check.json"), compare=check)
    except ConvertError as error:
        raise CommandFailure(str(error)) from error
    except OSError as error:  # a disk that is full, a folder that may not be written
        place = error.filename or folder
        raise CommandFailure(f"{place}: {error.strerror or error}") from error
    click.echo(entry, nl=False)
    if faults:
        raise CommandFailure("\n".join(["the model differs too much", *faults]))
