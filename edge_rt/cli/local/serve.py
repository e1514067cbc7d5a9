"""edge-rt serve, check-config and key: run the daemon, check its configuration, make a key."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import msgspec

from edge_rt.cli.exits import BadConfig, CommandFailure
from edge_rt.cli.options import installation, sensors_root_option, socket_option
from edge_rt.cli.text import note, say
from edge_rt.config.boards import board_faults
from edge_rt.config.checks import (
    Address,
    access_faults,
    check_faults,
    socket_faults,
)
from edge_rt.config.loader import check, load, present
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key
from edge_rt.core.errors import StoreError
from edge_rt.models.configured import missing_models, model_faults

_BYTES = 32  # of a key, random ones


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def key(as_json: bool) -> None:
    """Make a key for clients over TCP, and tell the hash of it.

    The hash goes to tcp.api_key_sha256 of the configuration, and to tcp.admin_key_sha256 as well
    for a key that may administrate. The key goes to the client; the daemon never has it.

    Example:
        edge-rt key
    """
    value = f"er-{secrets.token_urlsafe(_BYTES)}"
    told = {"key": value, "sha256": hashlib.sha256(value.encode()).hexdigest()}
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, each in told.items():
        click.echo(f"{name:<8}{each}")


def servable(config: Config, paths: Paths | None = None) -> Iterator[tuple[Key, str]]:
    """Yield every key with which a daemon could not serve on this machine, with the reason.

    `paths` are those of the installation; None: of this user.
    """
    yield from board_faults(config, paths)
    yield from socket_faults(config)
    yield from access_faults(config)
    yield from check_faults(config)
    yield from model_faults(config)
    if config.warm:
        from edge_rt.server.model_work import warm_faults  # takes time to import

        yield from warm_faults(config)


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--store",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Look for the models that it names there, not in the store that it means.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check_config(ctx: click.Context, file: Path | None, store: Path | None, as_json: bool) -> None:
    """Check FILE, or without it the configuration that the daemon would use.

    Prints one line for each fault: file, line, key, the expected type and the value found. The
    daemon refuses to start with any of them, but for models that the store lacks: it starts without
    those.

    Example:
        edge-rt check-config /etc/edge-rt/config.yaml
    """
    paths = installation()
    target = file or paths.config_file
    known = partial(servable, paths=None if file else paths)
    absent = file is None and not present(target)
    faults = (
        [] if absent else check(target, known, lambda config: _lacking(config, target, store))[1]
    )
    if as_json:
        told = [
            {"file": each.file, "line": each.line, "key": each.key, "reason": str(each)}
            for each in faults
        ]
        state = {"file": str(target), "there": not absent, "ok": not faults}
        click.echo(json.dumps(state | {"faults": told}))
    else:
        for fault in faults:
            say(str(fault))
        if not faults:
            click.echo(f"{target}: {'not there, so the defaults apply: ' if absent else ''}ok")
    if faults:
        ctx.exit(BadConfig.exit_code)


def _lacking(config: Config, file: Path, named: Path | None) -> Iterator[tuple[Key, str]]:
    """Yield every key of a model that the store lacks, `named` or that of the daemon of `file`."""
    from edge_rt.cli.local.model_store import find_store

    store = named or config.models.store
    other = None if file == installation().config_file else file
    try:
        opened = find_store(Path(store) if store else None, other).open()
        yield from missing_models(config, opened)
    except (CommandFailure, StoreError, PermissionError) as error:
        note(f"{file}: warning: the models are not checked: {error}")


def address(text: str) -> str:
    """Return `text`; BadParameter unless it is an address and a port."""
    try:
        Address.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


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
@click.option(
    "--listen",
    metavar="HOST:PORT",
    type=address,
    help="Listen there as well, in place of tcp.listen; other than on loopback it takes a key.",
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
    listen: str | None,
    sensors_root: Path | None,
    log_level: str | None,
) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C.

    Options go before what the configuration says.

    Example:
        edge-rt serve --socket ./edge-rt.sock
    """

    def read() -> Config:
        return override(load(config_file, servable), socket, store, log_level, sensors_root, listen)

    config = read()
    from edge_rt.server.server import serve as run_daemon

    run_daemon(config, read)


def override(
    config: Config,
    socket: Path | None = None,
    store: Path | None = None,
    log_level: str | None = None,
    sensors_root: Path | None = None,
    listen: str | None = None,
) -> Config:
    """Return `config` with the options that were given."""
    given = (
        ("socket", "path", socket and str(socket.absolute())),
        ("models", "store", store and str(store.absolute())),
        ("sensors", "root", sensors_root and str(sensors_root.absolute())),
        ("tcp", "listen", listen),
        ("log", "level", log_level),
    )
    for section, field, value in given:
        if value is not None:
            changed = msgspec.structs.replace(getattr(config, section), **{field: value})
            config = msgspec.structs.replace(config, **{section: changed})
    return config
