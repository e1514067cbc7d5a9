"""edge-rt serve: run the daemon."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edge_rt.cli.local.servable import servable
from edge_rt.cli.where import sensors_root_option, socket_option
from edge_rt.config.loader import load
from edge_rt.config.schema import Config


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    help="The configuration; without it the installation's config.yaml, if there is one.",
)
@socket_option
@click.option(
    "--store",
    type=click.Path(path_type=Path, readable=False, file_okay=False),
    help="The directory of the models.",
)
@sensors_root_option
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="How much to write to standard error.",
)
def serve(
    config_file: Path | None,
    socket: Path | None,
    store: Path | None,
    sensors_root: Path | None,
    log_level: str | None,
) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C.

    Options go before what the configuration says.
    """

    def read() -> Config:
        return override(load(config_file, servable), socket, store, log_level, sensors_root)

    config = read()
    from edge_rt.server.server import serve as run_daemon

    run_daemon(config, read)


def override(
    config: Config,
    socket: Path | None = None,
    store: Path | None = None,
    log_level: str | None = None,
    sensors_root: Path | None = None,
) -> Config:
    """`config` with the options that were given."""
    replace = msgspec.structs.replace
    if socket is not None:
        path = str(socket.absolute())
        config = replace(config, socket=replace(config.socket, path=path))
    if store is not None:
        config = replace(config, models=replace(config.models, store=str(store.absolute())))
    if sensors_root is not None:
        root = str(sensors_root.absolute())
        config = replace(config, sensors=replace(config.sensors, root=root))
    if log_level is not None:
        config = replace(config, log=replace(config.log, level=log_level))
    return config
