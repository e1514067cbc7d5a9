"""`check-config` tells every fault, or that there is none and which file counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Cli = Any


def test_a_good_file_is_ok(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("engine: {threads: 2}\n")
    result = cli("check-config", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: ok\n")


def test_every_fault_is_one_line_and_the_exit_code_is_6(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("engine:\n  threads: many\nlogs: {}\n")
    result = cli("check-config", str(file))
    assert result.exit_code == 6
    assert result.stdout.splitlines() == [
        f"{file}:2: engine.threads: Expected `int | null`, got `str`",
        f"{file}:3: logs: unknown key; did you mean log?",
    ]


def test_json_tells_each_fault_with_its_place(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("engine:\n  threads: many\n")
    result = cli("check-config", str(path), "--json")
    told = json.loads(result.stdout)
    [fault] = told["faults"]
    assert (result.exit_code, told["ok"], told["there"]) == (6, False, True)
    assert (fault["file"], fault["line"], fault["key"]) == (str(path), 2, "engine.threads")
    assert fault["reason"].startswith(str(path))
    assert json.loads(cli("check-config", "--json").stdout)["ok"]


def test_a_missing_file_is_a_fault(cli: Cli, tmp_path: Path) -> None:
    result = cli("check-config", str(tmp_path / "absent.yaml"))
    assert result.exit_code == 6
    assert "No such file" in result.stdout


def test_without_a_file_the_installations_own_is_checked(cli: Cli, environ: dict[str, str]) -> None:
    own = Path(environ["CONFIGURATION_DIRECTORY"]) / "config.yaml"
    assert cli("check-config").stdout == f"{own}: not there, so the defaults apply: ok\n"
    own.write_text("")
    assert cli("check-config").stdout == f"{own}: ok\n"
    own.write_text("[]")
    assert cli("check-config").exit_code == 6


def test_serve_refuses_what_check_config_does_in_the_same_words(cli: Cli, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    file = tmp_path / "config.yaml"
    for key, value in (
        ("socket.path", "/" + "x" * 107),
        ("socket.group", "no-such-group"),
        ("models.store", str(taken)),
        ("models.default", "default"),
        ("ledger.path", "ledger.db"),
        ("models.preload[0]", "[" + "a" * 97 + "]"),
        ("models.catalogue[0]", f"[{tmp_path / 'absent.yaml'}]"),
    ):
        section, name = key.partition("[")[0].split(".")
        file.write_text(f"{section}:\n  {name}: {value}\n")
        checked, served = cli("check-config", str(file)), cli("serve", "--config", str(file))
        assert (checked.exit_code, served.exit_code) == (6, 6)
        assert checked.stdout.startswith(f"{file}:2: {key}: ")
        assert served.stderr == f"Error: {checked.stdout}"
