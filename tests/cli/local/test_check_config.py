"""`check-config` tells every fault, or that there is none and which file counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_file import tiny_model

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

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


def test_models_that_the_store_lacks_are_named_with_their_lines(cli: Cli, tmp_path: Path) -> None:
    model, store = tmp_path / "m.gguf", tmp_path / "models"
    model.write_bytes(tiny_model())
    Store(store, load_catalogue([])).add(model, "chatty")
    file = tmp_path / "config.yaml"
    named = "models:\n  default: {0}\n  preload: [{0}]\n  store: " + str(store)
    file.write_text(named.format("nosuch") + "\ncache:\n  semantic:\n    model: chatty\n")
    result = cli("check-config", str(file))
    assert result.exit_code == 6
    first, second, third = result.stdout.splitlines()
    assert first.startswith(f"{file}:2: models.default: no model 'nosuch' in the store")
    assert second.startswith(f"{file}:3: models.preload[0]: no model 'nosuch'")
    assert third == (
        f"{file}:7: cache.semantic.model: chatty is a language model: an embedding model is needed"
    )
    file.write_text(named.format("chatty"))
    assert cli("check-config", str(file)).stdout == f"{file}: ok\n"


def test_the_models_are_looked_for_in_the_store_that_is_named(cli: Cli, tmp_path: Path) -> None:
    model, store, empty = tmp_path / "m.gguf", tmp_path / "models", tmp_path / "empty"
    model.write_bytes(tiny_model())
    Store(store, load_catalogue([])).add(model, "chatty")
    empty.mkdir()
    file = tmp_path / "config.yaml"
    file.write_text(f"models: {{default: chatty, store: {empty}}}\n")
    assert "no model 'chatty' in the store" in cli("check-config", str(file)).stdout
    assert cli("check-config", str(file), "--store", str(store)).stdout == f"{file}: ok\n"
    assert cli("check-config", str(file), "--store", str(tmp_path / "absent")).exit_code == 2


def test_a_store_that_cannot_be_read_is_a_warning(cli: Cli, tmp_path: Path) -> None:
    store = tmp_path / "models"
    (store / "manifest.json").mkdir(parents=True)
    file = tmp_path / "config.yaml"
    file.write_text(f"models:\n  default: chatty\n  store: {store}\n")
    result = cli("check-config", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: ok\n")
    assert result.stderr.startswith(f"{file}: warning: the models are not checked: ")
