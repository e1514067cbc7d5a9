"""Without a daemon or a model `run` says what to type, asks, or does it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.record import starter

pytestmark = pytest.mark.slow  # daemons

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Spawn = Any
Start = Any

LACKING = {"message": "no model 'tiny' in the store", "code": "model_not_found"}


@pytest.fixture
def alone(tmp_path: Path, environ: dict[str, str]) -> Callable[..., Path]:
    """No daemon anywhere: at the user's own socket nobody listens any more.

    The call writes the configuration, and returns the place for temporary files.
    """
    del environ["EDGE_RT_SOCKET"]
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    environ["TMPDIR"] = str(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "run" / "edge-rt.sock"))

    def configure(models: str = "{}") -> Path:
        (tmp_path / "etc" / "config.yaml").write_text(f"models: {models}\n")
        return tmp_path / "tmp"

    configure()
    return configure


Alone = Callable[..., Path]


def test_without_a_daemon_and_a_terminal_it_says_what_to_type(cli: Cli, alone: Alone) -> None:
    result = cli("run", "Hi")
    assert result.exit_code == 3
    assert "start one with `edge-rt serve`" in result.stderr
    assert "with `edge-rt run --standalone`" in result.stderr


def test_on_a_terminal_it_asks(terminal: Start, alone: Alone) -> None:
    asking = terminal("run", "Hi")
    asking.read_until("Start one for this? [Y/n]: ")
    asking.type("n\n")
    assert "edge-rt run --standalone" in asking.rest()
    assert asking.process.wait() == 3


@pytest.mark.parametrize("option", ["--standalone", "--yes"])
def test_a_daemon_is_started_for_one_answer(
    option: str, spawn: Spawn, alone: Alone, store: Path
) -> None:
    place = alone(f"{{store: {store}}}")
    with spawn("run", option, "--max-tokens", "4", "Hi") as process:
        out, err = process.communicate()
    assert (process.returncode, err.decode().count("smollm2-135m-instruct (")) == (0, 1), err
    assert out.strip()
    assert list(place.iterdir()) == []


def test_a_signal_ends_its_daemon_too(spawn: Spawn, alone: Alone, store: Path) -> None:
    place = alone(f"{{store: {store}}}")
    words = ["--max-tokens", "2000", "--temperature", "0", "Count to one thousand."]
    with spawn("run", "--standalone", *words) as process:
        assert process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []  # its log and its socket, which go once it has ended


def test_a_model_that_the_daemon_lacks_is_told_with_its_store(
    cli: Cli, daemon: Daemon, tmp_path: Path
) -> None:
    daemon.documents["/edge/v1/status"] = (200, {"store": str(tmp_path / "served")})
    daemon.will_refuse(404, LACKING)
    result = cli("run", "--socket", str(daemon.path), "--model", "tiny", "--yes", "Hi")
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"no model 'tiny' in the store (store: {tmp_path / 'served'})" in result.stderr


@pytest.mark.qwen
@pytest.mark.parametrize("options", [["--temperature", "0"], ["--seed", "1"], ["--seed", "2"]])
def test_the_model_to_start_with_knows_the_capital_of_france(
    options: list[str], spawn: Spawn, alone: Alone, cache: Path, environ: dict[str, str]
) -> None:
    environ["EDGE_RT_CACHE"] = str(cache)
    found = starter(load_catalogue(), 2 * 10**9)
    assert found is not None
    words = ["run", "--yes", "--model", found.id, *options, "What is the capital of France?"]
    with spawn(*words) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert b"Paris" in out
