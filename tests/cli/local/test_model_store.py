"""A command works on one store, that of the daemon it speaks to, and says which it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny_file import tiny_model

from edge_rt.cli.local.model_store import find_store
from edge_rt.cli.main import main
from edge_rt.config.paths import Paths

Cli = Callable[..., Result]
Daemon = Any
# As another user than the one who may read the interpreter's own files: hence the imports first.
OPEN = """
import os, sys
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.local.model_store import find_store
find_store(None, None)
os.setuid(1000)
try:
    find_store(None, None).open(write=sys.argv[1] == "change")
except CommandFailure as failure:
    print(failure.message)
"""


@pytest.fixture
def system() -> Path:
    """The system service's store, with one model; its socket is there, and nobody listens."""
    paths = Paths.system()
    paths.run.mkdir(parents=True)
    paths.socket.touch()
    add(paths.state / "models", "systems")
    return paths.state / "models"


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An ordinary user."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return Paths.detect()


def add(store: Path, id: str) -> None:
    store.mkdir(parents=True, exist_ok=True)
    file = store.parent / "tiny.gguf"
    file.write_bytes(tiny_model())
    assert edge("models", "add", str(file), "--id", id, "--store", str(store)).exit_code == 0


def edge(*words: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(main, words)


def listed(result: Result) -> str:
    return result.stdout.partition("\n\n")[0]


def test_a_user_sees_the_store_of_the_daemon_that_run_speaks_to(system: Path, user: Paths) -> None:
    told = edge("models", "list")
    assert "systems" in listed(told)
    assert told.stderr.endswith(f"Store: {system} (system service)\n")
    user.run.mkdir(parents=True)
    user.socket.touch()
    told = edge("models", "list")
    assert "systems" not in listed(told)
    assert told.stderr.endswith(f"Store: {user.state / 'models'} (your own)\n")


def test_systemds_variables_name_the_store_whatever_daemon_runs(
    system: Path, user: Paths, tmp_path: Path
) -> None:
    before = sorted(system.rglob("*"))
    environ = {"STATE_DIRECTORY": str(tmp_path / "mine")}
    file = tmp_path / "tiny.gguf"
    file.write_bytes(tiny_model())
    told = edge("models", "add", str(file), **environ)
    assert told.stderr.startswith(f"Store: {tmp_path / 'mine/models'} (STATE_DIRECTORY)\n")
    assert (tmp_path / "mine/models/tiny").is_dir()
    assert sorted(system.rglob("*")) == before


def test_a_daemon_that_answers_names_its_store_itself(
    daemon: Daemon, system: Path, tmp_path: Path
) -> None:
    add(tmp_path / "served", "served")
    daemon.documents["/edge/v1/status"] = (200, {"store": str(tmp_path / "served")})
    told = edge("models", "list", EDGE_RT_SOCKET=str(daemon.path))
    assert "served" in listed(told)
    assert told.stderr.endswith(f"Store: {tmp_path / 'served'} (daemon at {daemon.path})\n")


def test_options_win(daemon: Daemon, tmp_path: Path) -> None:
    daemon.documents["/edge/v1/status"] = (200, {"store": str(tmp_path / "served")})
    config = tmp_path / "config.yaml"
    config.write_text(f"models: {{store: {tmp_path / 'configured'}}}\n")
    environ = {"EDGE_RT_SOCKET": str(daemon.path)}
    assert find_store(None, config, environ).root == tmp_path / "configured"
    assert find_store(tmp_path / "named", config, environ).root == tmp_path / "named"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(("mode", "verb"), [(0o755, "change"), (0o700, "read")])
def test_a_user_without_the_right_is_told_what_to_do(system: Path, mode: int, verb: str) -> None:
    for path in system.parents[:-2]:  # the test's own folders are closed to others
        path.chmod(0o755)
    system.parent.chmod(mode)
    words = [sys.executable, "-c", OPEN, verb]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.startswith(f"no right to {verb} the model store {system} (system service)")
    assert "use sudo, or name another with --store or STATE_DIRECTORY" in done.stdout


def test_check_config_takes_the_same_installation(system: Path, user: Paths) -> None:
    told = edge("check-config").stdout
    assert told.startswith(str(Paths.system().config_file))
