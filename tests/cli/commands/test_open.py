"""`open` tells where the page is, or how there can be one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_rt.cli.commands.open import page_url

Cli = Any


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "page.yaml"


def test_the_address_of_the_configuration_is_printed(cli: Cli, config: Path) -> None:
    listen = ["127.0.0.1:8080", "127.0.0.1:11434"]
    config.write_text(json.dumps({"tcp": {"listen": listen}}))
    result = cli("open", "--print", "--config", str(config))
    assert (result.exit_code, result.stdout) == (0, "http://127.0.0.1:8080/\n")


@pytest.mark.parametrize("there", [True, False])
def test_without_tcp_it_says_how_to_get_it(cli: Cli, config: Path, there: bool) -> None:
    if there:
        config.write_text("log: {level: info}\n")
    result = cli("open", "--config", str(config))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "tcp:" in result.stderr
    assert "127.0.0.1:8080" in result.stderr
    assert str(config) in result.stderr


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:80", "http://localhost:80/"),
        ("[::]:8080", "http://localhost:8080/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("board.lan:8080", "http://board.lan:8080/"),
    ],
)
def test_the_url_is_one_that_a_browser_can_open(listen: str, url: str) -> None:
    assert page_url(listen) == url
