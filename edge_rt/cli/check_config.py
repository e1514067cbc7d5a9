"""edge-rt check-config: every fault of a configuration file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from edge_rt.cli.clean import clean
from edge_rt.cli.exits import BadConfig
from edge_rt.cli.servable import servable
from edge_rt.cli.where import installation
from edge_rt.config.loader import check, present


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.pass_context
def check_config(ctx: click.Context, file: Path | None) -> None:
    """Check FILE, or without it the configuration that the daemon would use.

    Prints one line for each fault: file, line, key, what was expected and what was got. The
    daemon refuses to start with any of them.
    """
    paths = installation()
    target = file or paths.config_file
    if file is None and not present(target):
        click.echo(f"{target}: not there, so the defaults apply: ok")
        return
    _, faults = check(target, partial(servable, paths=None if file else paths))
    for fault in faults:
        click.echo(clean(str(fault)))
    if faults:
        ctx.exit(BadConfig.exit_code)
    click.echo(f"{target}: ok")
