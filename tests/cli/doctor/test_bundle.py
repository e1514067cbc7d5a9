"""`doctor --bundle` writes what helps, and nothing of what was asked or is secret."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

Cli = Any
Daemon = Any

PROMPT, KEY, WORDS = "marker-of-a-prompt", "5e" * 32, "marker-of-a-comment"


@pytest.fixture
def root(tmp_path: Path, environ: dict[str, str]) -> Path:
    """A board that tells nothing, and an installation of its own."""
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    (tmp_path / "board" / "proc").mkdir(parents=True)
    return tmp_path / "board"


def papers(path: Path) -> dict[str, str]:
    """Return what is in the bundle, by name."""
    with tarfile.open(path, "r:gz") as archive:
        files = {m.name: archive.extractfile(m) for m in archive.getmembers()}
        return {name.split("/")[1]: file.read().decode() for name, file in files.items() if file}


@pytest.fixture
def bundle(cli: Cli, root: Path, tmp_path: Path) -> Any:
    """Makes a bundle with the given configuration; returns what is in it."""

    def make(config: str, *options: str) -> dict[str, str]:
        (tmp_path / "config.yaml").write_text(config)
        path = tmp_path / "x.tar.gz"
        where = ["--sensors-root", str(root), "--config", str(tmp_path / "config.yaml")]
        result = cli("doctor", *where, *options, "--bundle", str(path))
        assert (result.exit_code, result.stdout) == (0, f"{path}\n")
        assert path.stat().st_mode & 0o777 == 0o600
        return papers(path)

    return make


def test_secrets_of_the_configuration_stay_out(bundle: Any) -> None:
    found = bundle(
        f"# {WORDS}\n"
        f"tcp: {{listen: 127.0.0.1:8080, api_key_sha256: [{KEY}]}}\n"
        "budget: {power_w: 7.5}\n"
    )
    assert not [name for name, text in found.items() if KEY in text or WORDS in text]
    config = json.loads(found["config.json"])["config"]
    assert config["tcp"] == config["tcp"] | {"listen": "127.0.0.1:8080"}
    assert config["tcp"]["api_key_sha256"] == "left out"
    assert (config["budget"]["power_w"], config["offline"]) == (7.5, True)


def test_a_faulty_value_is_told_by_its_place(bundle: Any) -> None:
    found = bundle(f"\nlog: {{level: {WORDS}}}\nengine: {{threads: {PROMPT}}}\n")
    assert not [name for name, text in found.items() if PROMPT in text or WORDS in text]
    faults = json.loads(found["config.json"])["faults"]
    assert {(fault["line"], fault["key"]) for fault in faults} == {
        (2, "log.level"),
        (3, "engine.threads"),
    }


def test_what_the_daemon_tells_is_in_it(bundle: Any, daemon: Daemon) -> None:
    for path in ("/edge/v1/status", "/edge/v1/budget", "/edge/v1/ledger?days=90&last=0"):
        daemon.documents[path] = (200, {"path": path})
    found = bundle("", "--socket", str(daemon.path))
    assert json.loads(found["governor.json"]) == {"path": "/edge/v1/budget"}
    assert {"status.json", "ledger.json"} <= set(found)


def test_without_a_daemon_there_is_what_can_be_had(bundle: Any) -> None:
    found = bundle("")
    assert {*found} == {
        *("README.txt", "units.txt", "log.txt", "versions.json", "config.json", "doctor.json"),
        "machine.json",
    }
    assert json.loads(found["versions.json"])["packages"]["msgspec"]
    assert "board" in {check["id"] for check in json.loads(found["doctor.json"])["checks"]}


def test_without_a_name_it_lies_where_one_is(
    cli: Cli, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("doctor", "--sensors-root", str(root), "--bundle")
    (made,) = tmp_path.glob("edge-rt-support-*.tar.gz")
    assert (result.exit_code, result.stdout) == (0, f"{made.name}\n")
