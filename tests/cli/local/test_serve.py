"""`serve` runs the daemon with the configuration and the options over it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.cli.local.serve import override
from edge_rt.config.schema import Config, Socket
from edge_rt.core.errors import ListenError

Cli = Any
Served = list[Config]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """The configurations with which a daemon was started, none of which really was."""
    served: Served = []

    def note(config: Config, read: Callable[[], Config]) -> None:
        assert read() == config, "read anew, it is the same, options included"
        served.append(config)

    module = SimpleNamespace(serve=note)
    monkeypatch.setitem(sys.modules, "edge_rt.server.server", module)
    return served


def test_options_go_before_the_file(cli: Cli, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "socket: {path: /a, mode: 0600}\nmodels: {store: /b}\nlog: {level: error}\n"
        "engine: {threads: 2}\n"
    )
    options = ["--socket", "/c/d.sock", "--store", "/s", "--log-level", "debug"]
    assert cli("serve", "--config", str(file), *options).exit_code == 0
    [config] = served
    assert config.socket == Socket(path="/c/d.sock", mode="0600")
    assert config.models.store == "/s"
    assert config.log.level == "debug"
    assert config.engine.threads == 2


def test_without_options_the_configuration_is_as_it_was() -> None:
    config = Config()
    assert override(config, None, None, None) is config


def test_relative_paths_are_those_of_the_shell(tmp_path: Path) -> None:
    config = override(Config(), Path("x.sock"), Path("store"), None)
    assert config.socket.path == str(Path.cwd() / "x.sock")
    assert config.models.store == str(Path.cwd() / "store")


def test_the_socket_of_the_environment_is_the_clients_and_the_daemons(
    cli: Cli, served: Served, environ: dict[str, str]
) -> None:
    cli("serve")
    assert served[0].socket.path == environ["EDGE_RT_SOCKET"]


def test_a_faulty_configuration_is_6_and_nothing_is_served(
    cli: Cli, served: Served, tmp_path: Path
) -> None:
    result = cli("serve", "--config", str(tmp_path / "absent.yaml"))
    assert result.exit_code == 6
    assert "absent.yaml" in result.stderr
    assert served == []


def test_a_store_that_is_a_file_is_wrong_usage(cli: Cli, served: Served, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert cli("serve", "--store", str(file)).exit_code == 2
    assert served == []


def test_a_socket_that_cannot_be_had_is_1(
    cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ListenError("another daemon answers at /x")

    monkeypatch.setattr(sys.modules["edge_rt.server.server"], "serve", refuse)
    result = cli("serve")
    assert (result.exit_code, result.stderr) == (1, "Error: another daemon answers at /x\n")


def test_a_simulated_board_can_be_named(cli: Cli, served: Served, tmp_path: Path) -> None:
    assert cli("serve", "--sensors-root", str(tmp_path)).exit_code == 0
    assert cli("serve").exit_code == 0
    assert [config.sensors.root for config in served] == [str(tmp_path), "/"]


def test_an_unknown_board_is_refused_with_those_that_are_known(
    cli: Cli, served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("log: {level: error}\nboard: toaster\n")
    result = cli("serve", "--config", str(file))
    assert result.exit_code == 6
    assert "config.yaml:2: board: there is no board profile 'toaster'" in result.stderr
    assert "raspberry-pi-5" in result.stderr
    assert served == []


def test_an_address_of_this_run_replaces_the_configured_one_and_leaves_the_socket(
    cli: Cli, served: Served, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("socket: {path: /a}\ntcp: {listen: '127.0.0.1:1'}\n")
    assert cli("serve", "--config", str(file), "--listen", "127.0.0.1:8080").exit_code == 0
    [config] = served
    assert config.tcp.addresses == ["127.0.0.1:8080"]
    assert config.socket.path is not None


@pytest.mark.parametrize("text", ["8080", "127.0.0.1", "::1:8080", "127.0.0.1:http"])
def test_what_is_no_address_is_wrong_usage(cli: Cli, served: Served, text: str) -> None:
    result = cli("serve", "--listen", text)
    assert (result.exit_code, served) == (2, [])
    assert "--listen" in result.stderr
