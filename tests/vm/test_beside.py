"""The tests run on a machine where edge_rt is installed, and leave it as it was."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from bootstrap.paths import CHECKOUT
from vm_guests import CACHE, MODEL, Box

# Those that ask for the installation's files, most of all.
SHORT = ("tests/config/test_paths.py", "tests/cli/test_models.py", "tests/cli/test_model_store.py")
WHOLE = ("tests/config", "tests/cli", "tests/models", "tests/daemon", "tests/e2e/test_cli.py")


def files(box: Box) -> dict[str, object]:
    """The configuration and the models: when each file was changed, its rights and content."""
    found: dict[str, object] = {}
    for place in ("etc/edge-rt", "var/lib/edge-rt/models"):
        for path in sorted(Path(box.guest.files, place).rglob("*")):
            info = path.stat()
            content = path.read_bytes() if path.is_file() else b""
            said = hashlib.sha256(content).hexdigest()
            name = str(path.relative_to(box.guest.files))
            found[name] = (info.st_mtime_ns, info.st_mode, info.st_uid, said)
    return found


def service(box: Box) -> dict[str, Any]:
    """The service's process, its models, and how many requests it has answered."""
    with box.client() as http:
        models = [model["id"] for model in http.get("/v1/models").json()["data"]]
        asked = len(http.get("/edge/v1/ledger?last=100").json()["last"])
    return {"pid": box.show("MainPID"), "state": box.show("ActiveState")} | {
        "restarts": box.show("NRestarts"),
        "models": models,
        "asked": asked,
    }


@pytest.mark.parametrize("tests", [SHORT, pytest.param(WHOLE, marks=pytest.mark.whole)])
def test_an_installed_service_is_not_touched(bare: Box, tests: tuple[str, ...]) -> None:
    bare.configure(models={})  # its own store
    bare.install("--wheels", "/wheels/one")
    bare.run("mkdir", "--parents", "/var/lib/edge-rt/models")
    bare.run("cp", "--recursive", "/srv/models/.", "/var/lib/edge-rt/models")
    bare.run("chown", "--recursive", "edge-rt:edge-rt", "/var/lib/edge-rt/models")
    assert bare.complete(prompt="Hello", max_tokens=4)
    before = files(bare), service(bare)
    assert f"var/lib/edge-rt/models/{MODEL}" in before[0]
    assert before[1]["models"] == [MODEL]

    words = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    environ = [f"--chdir={CHECKOUT}", f"EDGE_RT_CACHE={CACHE}"]
    told = bare.run("env", *environ, *words, timeout=3000).stdout
    assert " passed" in told

    assert (files(bare), service(bare)) == before
