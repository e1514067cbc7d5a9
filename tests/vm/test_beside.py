"""The tests run on a machine where edge_rt is installed, and leave it as it was."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bootstrap.paths import CHECKOUT
from bootstrap.test import pytest_runs
from vm_guests import CACHE, MODEL, Box

SHORT = ("tests/config", "tests/cli/local", "tests/test_hermetic.py")  # what models and paths are
WHOLE = ("tests", "--ignore=tests/vm")
HOURS_S = 3 * 3600


def files(box: Box) -> dict[str, object]:
    """The configuration and the models: when each file was changed, its rights and content.

    Of the state, which the service itself writes, only what belongs to somebody else.
    """
    state = Path(box.guest.files, "var/lib/edge-rt")
    owner = state.stat().st_uid
    strange = [str(path) for path in state.rglob("*") if path.lstat().st_uid != owner]
    found: dict[str, object] = {"not the service's": sorted(strange)}
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


@pytest.fixture(scope="module")
def installed(make_box: Callable[[], Box]) -> Iterator[Box]:
    """A guest whose service has a store of its own, and has answered."""
    box = make_box()
    box.configure(models={})
    box.install("--wheels", "/wheels/one")
    box.run("mkdir", "--parents", "/var/lib/edge-rt/models")
    box.run("cp", "--recursive", "/srv/models/.", "/var/lib/edge-rt/models")
    box.run("chown", "--recursive", "edge-rt:edge-rt", "/var/lib/edge-rt/models")
    assert box.complete(prompt="Hello", max_tokens=4)
    yield box
    box.close()


@pytest.mark.parametrize("tests", [SHORT, pytest.param(WHOLE, marks=pytest.mark.whole)])
def test_an_installed_service_is_not_touched(installed: Box, tests: tuple[str, ...]) -> None:
    before = files(installed), service(installed)
    assert f"var/lib/edge-rt/models/{MODEL}" in before[0]
    assert before[1]["models"] == [MODEL]

    words = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environ = [f"--chdir={CHECKOUT}", f"EDGE_RT_CACHE={CACHE}"]
    options: dict[str, Any] = {"check": False, "capture_output": False, "timeout": HOURS_S}
    runs = pytest_runs(False) if tests is WHOLE else [[]]  # as tools/test does
    done = [installed.run("env", *environ, *words, *run, *tests, **options) for run in runs]

    assert (files(installed), service(installed)) == before
    assert [each.returncode for each in done] == [0] * len(runs)


def test_a_user_of_the_service_sees_its_models(installed: Box) -> None:
    """Its files are closed to other users, so the daemon tells of them."""

    def edge(*words: str) -> str:
        who = ("setpriv", "--reuid=nobody", "--regid=edge-rt", "--clear-groups")
        done = installed.run(*who, "edge-rt", *words, check=False)
        return done.stdout + done.stderr

    assert (
        "Permission denied"
        in installed.run(
            *("setpriv", "--reuid=nobody", "--clear-groups", "ls", "/var/lib/edge-rt"), check=False
        ).stderr
    )
    told = edge("models", "list")
    assert re.search(rf"^\* {MODEL} ", told, re.MULTILINE), told
    assert "Store: /var/lib/edge-rt/models (system service; " in told
    assert "llama.cpp-q4_1" in edge("models", "show", MODEL)
    assert edge("models", "default").startswith(f"{MODEL}\n")
    assert "in the store, it has" in edge("models", "show", "nosuch")
    assert "use sudo" in edge("models", "remove", MODEL)
    lacking = edge("run", "--model", "all-minilm-l6-v2", "Hi")
    assert "edge-rt models pull all-minilm-l6-v2 (store: /var/lib/edge-rt/models)" in lacking
    assert f"the daemon has {MODEL}" in (told := edge("doctor"))
    assert "FIX   models" not in told
