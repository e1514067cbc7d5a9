"""Where the joules of `tools/run` come from: this machine's sensors, or a simulated board."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from bootstrap import SetupError

BOARD = "raspberry-pi-5"

_FAULTY_CONFIG = 6  # the exit code
_NO_SENSOR = "No power sensor can be read here: simulating a Raspberry Pi 5"


@contextlib.contextmanager
def sensors_options(edge_rt: str, config: str, board: str | None) -> Generator[list[str]]:
    """Options for `edge-rt run --standalone`, so that power is told; while the block lasts.

    Simulates `board`, and a Raspberry Pi 5 when that is None and this machine tells no power.
    Says on standard error where a figure is not measured. Raises SetupError.
    """
    named = board or _unless_told(edge_rt, config)
    if named is None:
        yield []
        return
    with simulated_board(edge_rt, named) as root:
        why = f"Simulating {board}" if board else _NO_SENSOR
        _say(f"{why} (figures are the simulation's, not this machine's).")
        yield ["--sensors-root", str(root)]


@contextlib.contextmanager
def simulated_board(
    edge_rt: str, board: str, *, ready_s: float = 30.0, grace_s: float = 5.0
) -> Generator[Path]:
    """Simulate `board` around this process and its children; yields the root of its files.

    Like the daemon it has a session of its own, and it is stopped and its files removed however
    the block is left. Raises SetupError when it ends at start or says nothing for `ready_s`.
    """
    with tempfile.TemporaryDirectory(prefix="edge-rt-twin-", ignore_cleanup_errors=True) as home:
        tree, log = Path(home, "tree"), Path(home, "log")
        watch = ["--watch", str(os.getpid())]
        with log.open("wb") as sink:
            twin = subprocess.Popen(
                [edge_rt, "twin", "--board", board, *watch, "--dir", str(tree)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
        try:
            assert twin.stdout is not None
            if not _first_line(twin.stdout, ready_s):
                raise SetupError(f"{_read(log)}\nThe board {board} could not be simulated.")
            yield tree
        finally:
            _stop(twin, grace_s)


def _unless_told(edge_rt: str, config: str) -> str | None:
    """The board to simulate; None where the daemon can tell power, or reads another root."""
    report = _look(edge_rt, config)
    if report is None or report["root"] != "/":  # the configuration has a board of its own
        return None
    supply = report["supply"]
    if supply is None:
        return BOARD
    if supply["quality"] == "modelled":
        _say("No power sensor can be read here: power is modelled from the processor's load.")
    return None


def _look(edge_rt: str, config: str) -> dict[str, Any] | None:
    """Return what the daemon would read with `config`; None where that is faulty, as it tells."""
    with tempfile.TemporaryDirectory(prefix="edge-rt-") as directory:
        # The command knows only the installation's configuration: let this be the installation.
        Path(directory, "config.yaml").symlink_to(Path(config).absolute())
        done = subprocess.run(
            [edge_rt, "sensors", "--direct", "--json"],
            env={**os.environ, "CONFIGURATION_DIRECTORY": directory},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if done.returncode == _FAULTY_CONFIG:
        return None
    if done.returncode != 0:
        raise SetupError(f"{done.stderr.rstrip()}\nThis machine's sensors could not be read.")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _first_line(stream: IO[bytes], patience_s: float) -> bytes:
    ready, _, _ = select.select([stream], [], [], patience_s)
    return stream.readline() if ready else b""


def _stop(twin: subprocess.Popen[bytes], grace_s: float) -> None:
    twin.terminate()
    try:
        twin.wait(grace_s)
    except subprocess.TimeoutExpired:
        twin.kill()
        twin.wait()
    if twin.stdout is not None:
        twin.stdout.close()


def _read(log: Path) -> str:
    return log.read_text(errors="replace").rstrip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
