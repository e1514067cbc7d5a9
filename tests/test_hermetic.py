"""No test reads or changes an installation of this machine; one that tries fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import os, shutil, socket, sqlite3, subprocess, sys
from contextlib import suppress
from pathlib import Path
from edge_rt.config.paths import Paths
"""
OWN = """
def test_each_place_is_its_own():
    for uid in (0, 1000):
        paths = Paths.detect(uid=uid)
        for place in (paths.run, paths.state, paths.config_file, paths.cache, Path.home()):
            assert str(place).startswith(os.environ["TMPDIR"] + "/edge-rt-tests-")
            place.mkdir(parents=True, exist_ok=True)
    assert not {"STATE_DIRECTORY", "COLUMNS", "LINES"} & set(os.environ)
    assert os.environ["EDGE_RT_VENV"] == ".venv-3.13"
"""
# Each is refused, which the code that does it may take for an ordinary error.
REFUSED = {
    "written": "Path('HOME/new').write_text('x')",
    "made": "Path('HOME/new').mkdir()",
    "deleted": "Path('HOME/file').unlink()",
    "renamed": "Path('HOME/file').rename('file')",
    "mode": "Path('HOME/file').chmod(0o600)",
    "database": "sqlite3.connect('HOME/new.db')",
    "read": "Path('MACHINE/etc/edge-rt/config.yaml').read_text()",
    "listed": "list(Path('MACHINE/var/lib/edge-rt').iterdir())",
    "tree": "shutil.rmtree('MACHINE/var/lib/edge-rt/models')",
    "asked": "socket.socket(socket.AF_UNIX).connect('MACHINE/run/edge-rt/edge-rt.sock')",
    "child": "subprocess.run([sys.executable, '-c', 'import edge_rt.cli'], env={})",
}
NATIVE = "subprocess.run(['cp', '/dev/null', 'MACHINE/var/lib/edge-rt/models/manifest.json'])"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with a configured installation and a model, and the home of whoever tests there."""
    root = tmp_path_factory.mktemp("machine")
    for place in ("etc/edge-rt/config.yaml", "var/lib/edge-rt/models/manifest.json", "home/file"):
        path = root / place
        path.parent.mkdir(parents=True)
        path.write_text("")
    return root


@pytest.fixture(scope="module", params=["0", "2"], ids=["one process", "two workers"])
def told(
    request: pytest.FixtureRequest, machine: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return what a session of pytest on that machine tells of each of its tests."""
    tests, code = tmp_path_factory.mktemp("tests"), HEAD + OWN
    lines = {name: f"with suppress(OSError): {line}" for name, line in REFUSED.items()}
    for name, line in (lines | {"native": NATIVE}).items():
        line = line.replace("HOME", f"{machine}/home").replace("MACHINE", str(machine))
        code += f"\ndef test_{name}():\n    {line}\n"
    (tests / "test_it.py").write_text(code)
    environ = os.environ | {
        "HOME": str(machine / "home"),
        "EDGE_RT_ROOT": str(machine),
        "EDGE_RT_VENV": ".venv-3.13",
        "STATE_DIRECTORY": str(machine / "var/lib/edge-rt"),
        "TMPDIR": str(tests),
        "COLUMNS": "80",  # which readline may set
        "PYTHONPATH": str(Path(__file__).parent),
    }
    # The native one comes alone: the tests of another process would notice what it changes.
    return _run(tests, environ, request.param, "not native") | _run(
        tests, environ, request.param, "native"
    )


def _run(tests: Path, environ: dict[str, str], workers: str, chosen: str) -> dict[str, str]:
    words = ["-m", "pytest", "-p", "hermetic", "-p", "no:cacheprovider", "-q", "-rA"]
    done = subprocess.run(
        [sys.executable, *words, "-n", workers, "-k", chosen, "test_it.py"],
        env=environ,
        cwd=tests,
        stdout=subprocess.PIPE,
    )
    assert done.returncode == 1
    assert list(tests.glob("edge-rt-tests-*")) == []
    head, _, summary = done.stdout.decode().partition("short test summary info")
    names = [line.split("::test_")[1].split()[0] for line in summary.splitlines() if "::" in line]
    parts = {name: head.partition(f"test_{name} ___")[2].partition("\n___")[0] for name in names}
    return {
        name: "passed" if f"PASSED test_it.py::test_{name}\n" in summary else parts[name]
        for name in names
    }


def test_each_place_is_in_the_tests_own_folder(told: dict[str, str]) -> None:
    assert told["each_place_is_its_own"] == "passed"


@pytest.mark.parametrize("name", REFUSED)
def test_what_lies_outside_is_refused_and_told_although_the_code_goes_on(
    told: dict[str, str], machine: Path, name: str
) -> None:
    assert "outside its own folder the test " in told[name]
    assert (str(machine) if name != "child" else "without its own HOME") in told[name]


def test_nothing_of_it_was_changed(told: dict[str, str], machine: Path) -> None:
    assert told
    assert [path.name for path in (machine / "home").iterdir()] == ["file"]
    assert (machine / "var/lib/edge-rt/models").is_dir()


def test_a_child_that_changes_an_installation_is_noticed(
    told: dict[str, str], machine: Path
) -> None:
    assert f"changed {machine}/var/lib/edge-rt/models/manifest.json" in told["native"]


def test_this_session_is_one_of_those(pytestconfig: pytest.Config) -> None:
    assert any(
        type(each).__name__ == "Hermetic" for each in pytestconfig.pluginmanager.get_plugins()
    )
    assert "/edge-rt-tests-" in os.environ["HOME"]
