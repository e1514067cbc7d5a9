"""A private daemon for one command: start it, and fetch the model that it needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import announce_starter, fetch, find_store, tell_better
from edge_rt.cli.options import AUTO, DEFAULT, accepts
from edge_rt.cli.text import Json, note, size
from edge_rt.models.store.store import Store

_PAUSE_S = 0.2
_POLL_S = 0.02
_PATH_MOST = 100  # bytes; the kernel takes 107
_SERVE = (sys.executable, "-m", "edge_rt.cli.entry", "serve", "--log-level", "warning")


def board(path: Path) -> Json | None:
    """Return the board's report of the daemon at the socket `path`; None: it tells none."""
    with Client(path) as client:
        try:
            return client.get("/edge/v1/board")
        except CommandFailure:
            return None


def wait_for_rest(
    look: Callable[[], Json | None],
    patience_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look again and again until power at rest is known, or will not be; at most `patience_s`.

    A daemon that has just been started still loads its engine.
    """
    for _ in range(round(patience_s / _PAUSE_S)):
        if (report := look()) is None:
            return
        supply = report["supply"]
        # Without a supply either nothing tells power, or nothing was looked at yet.
        if report["channels"] if supply is None else supply["idle_w"] is not None:
            return
        sleep(_PAUSE_S)


@contextlib.contextmanager
def private_daemon(
    serve: Sequence[str], *, ready_s: float = 60.0, grace_s: float = 10.0
) -> Generator[Path]:
    """Run `serve --socket PATH` and yield PATH, which nobody but this user can reach.

    The daemon gets a session of its own, so that Ctrl-C ends the client and not the daemon
    under it. It is stopped and its directory removed however the block is left, also by SIGTERM
    and SIGHUP, which end this process. Raises Failure with the daemon's log when it ends at start
    or stays silent for `ready_s`, which a small board with a slow card may need some of. It gets
    `grace_s` from SIGTERM to SIGKILL.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    directory = _directory()
    try:
        with (directory / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [*serve, "--socket", str(directory / "s")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # What it books is not this machine's daemon's, nor is it kept.
                env=os.environ | {"STATE_DIRECTORY": str(directory)},
            )
        try:
            _wait(daemon, directory / "s", directory / "log", ready_s)
            yield directory / "s"
        finally:
            _stop(daemon, grace_s)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _directory() -> Path:
    """Return a new directory with mode 0700 and a name short enough for a socket in it."""
    directory = tempfile.mkdtemp(prefix="edge-rt-")
    if len(os.fsencode(directory)) > _PATH_MOST:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="edge-rt-", dir="/tmp")
    return Path(directory)


def _wait(daemon: subprocess.Popen[bytes], path: Path, log: Path, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while not accepts(path):
        if daemon.poll() is not None:
            raise CommandFailure(
                f"{_read(log)}\nThe daemon ended with {daemon.returncode} at start."
            )
        if time.monotonic() > deadline:
            raise CommandFailure(f"{_read(log)}\nThe daemon did not answer within {ready_s:g} s.")
        time.sleep(_POLL_S)


def _stop(daemon: subprocess.Popen[bytes], grace_s: float) -> None:
    daemon.terminate()
    try:
        daemon.wait(grace_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # its children too
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _read(log: Path) -> str:
    return log.read_text(errors="replace").rstrip()


@contextmanager
def started(
    model: str, config: Path | None, sensors_root: Path | None, may: Callable[[str], bool]
) -> Generator[Path]:
    """Start a daemon that has `model`, and yield its socket while it runs.

    `may` asks whether a model that is missing may be fetched.
    """
    place = find_store(None, config)
    store = place.open()
    _have(may, store, model, place.config.models.default)
    options = [
        *("--store", str(store.root.absolute())),
        *(("--config", str(config)) if config else ()),
        *(("--sensors-root", str(sensors_root)) if sensors_root else ()),
    ]
    with private_daemon([*_SERVE, *options]) as socket:
        wait_for_rest(lambda: board(socket))
        yield socket


def _have(may: Callable[[str], bool], store: Store, model: str, named: str | None) -> None:
    """Have the model, or one at all where none is named, in the store if it may be fetched."""
    id = model.partition("@")[0]
    any_model = id in (DEFAULT, AUTO)
    default = store.default(named)
    if any_model and default is not None:
        if id == DEFAULT:
            note(f"{default.id} ({size(default.size)}) answers.")
            tell_better(store, default.id, "--model")
        return
    if not any_model and store.find(id) is not None:
        return
    entry = store.starter() if any_model else store.catalogue.find(id)
    if entry is None or not entry.pullable:
        return  # the daemon tells what it lacks
    lacking = "No text model" if any_model else f"No model {id}"
    if may(f"{lacking} is installed. Fetch {entry.id} ({size(entry.bytes)})?"):
        fetch(store, announce_starter(store, "--model") if any_model else entry.id)
