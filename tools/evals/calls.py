"""`tools/eval calls`: recorded outputs of models, read by chat templates of their families."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click
from bootstrap import SetupError
from bootstrap.paths import cache_dir
from evallib.calls.recorded import Verdict, judged
from evallib.calls.templates import Formats, fetched
from evallib.options import result


@click.command()
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of llama.cpp's templates, if it is there.",
)
@result("calls")
def calls(templates: Path | None, json_file: Path) -> None:
    """Read recorded outputs of models with tools, and count what is read wrongly.

    The outputs are CanIToolCall's. The templates come with llama.cpp's source archive, which is
    fetched once.
    """
    try:
        formats = Formats(templates or fetched(cache_dir()))
    except SetupError as error:
        raise click.ClickException(str(error)) from error
    verdicts = list(judged(formats.of))
    failed = [one for one in verdicts if not one.passed]
    count, wrong = (Counter(one.model for one in some) for some in (verdicts, failed))
    for model in sorted(count):
        click.echo(f"{model}: {wrong[model]} of {count[model]} failed")
    for one in failed:
        click.echo(f"{one.id}: {one.why}")
    json_file.write_text(json.dumps(_figures(verdicts, failed), indent=2))


def _figures(verdicts: list[Verdict], failed: list[Verdict]) -> dict[str, object]:
    return {
        "tool_outputs": len(verdicts),
        "tool_fail_all": len(failed),
        "tool_lost_all": sum(one.lost for one in verdicts),
        "failed": [one.id for one in failed],
    }
