"""edge-rt check-config: every fault of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_rt.cli.exits import BadConfig, Failure
from edge_rt.cli.local.servable import servable
from edge_rt.cli.where import installation
from edge_rt.cli.words.clean import clean
from edge_rt.config.key import Key
from edge_rt.config.loader import check, present
from edge_rt.config.schema import Config
from edge_rt.errors import StoreError
from edge_rt.governor.knobs.by_name import mode_knob
from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.knobs.programs import Programs
from edge_rt.models.configured import missing_models

if TYPE_CHECKING:  # what it imports takes long
    from edge_rt.models.store.store import Store


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.pass_context
def check_config(ctx: click.Context, file: Path | None) -> None:
    """Check FILE, or without it the configuration that the daemon would use.

    Prints one line for each fault: file, line, key, what was expected and what was got. The
    daemon refuses to start with any of them, but for models that the store lacks and power modes
    that the board lacks: it starts without those.
    """
    paths = installation()
    target = file or paths.config_file
    if file is None and not present(target):
        click.echo(f"{target}: not there, so the defaults apply: ok")
        return
    known = partial(servable, paths=None if file else paths)
    _, faults = check(target, known, lambda config: _lacking(config, target))
    for fault in faults:
        click.echo(clean(str(fault)))
    if faults:
        ctx.exit(BadConfig.exit_code)
    click.echo(f"{target}: ok")


def _lacking(config: Config, file: Path) -> Iterator[tuple[Key, str]]:
    """Every key that names a power mode or a model which is not there, with the reason."""
    yield from _power_mode(config)
    try:
        yield from missing_models(config, _store(config, file))
    except (Failure, StoreError, PermissionError) as error:
        click.echo(clean(f"{file}: warning: the models are not checked: {error}"), err=True)


def _power_mode(config: Config) -> Iterator[tuple[Key, str]]:
    mode, root = config.knobs.nvpmodel, Path(config.sensors.root)
    if mode is None:
        return
    knob = mode_knob(root, Programs.installed() if root == Path("/") else Programs())
    try:
        if knob is None:
            raise KnobError("there is no nvpmodel here: only a Jetson has power modes")
        knob.number(mode)
    except KnobError as error:
        yield ("knobs", "nvpmodel"), str(error)


def _store(config: Config, file: Path) -> Store:
    """The store of the daemon that `file` configures."""
    from edge_rt.cli.local.model_store import find_store

    store = config.models.store
    other = None if file == installation().config_file else file
    return find_store(Path(store) if store else None, other).open()
