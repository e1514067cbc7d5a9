from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import SetupError
from bootstrap import test as tools_test
from vm import machine, run
from vm.verdict import Verdict

Script = Callable[[Path, str], Path]


@pytest.fixture
def calls(tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what apt-get is asked to do, on a machine whose package lists are empty."""
    calls, folder = tmp_path / "calls", tmp_path / "bin"
    calls.touch()
    script(folder / "apt-get", f'#!/bin/sh\necho "$*" >> {calls}\n')
    script(folder / "apt-cache", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(machine, "check_machine", lambda: None)
    return calls


def test_a_user_is_told_that_there_is_no_kernel(cache: Path, calls: Path) -> None:
    with pytest.raises(SetupError, match="linux-image-amd64"):
        run.prepare(cache, cache / "log", root=False)
    assert calls.read_text() == ""


def test_root_refreshes_the_package_lists_once(cache: Path, calls: Path) -> None:
    with pytest.raises(SetupError, match="linux-image-amd64"):
        run.prepare(cache, cache / "log", root=True)
    assert calls.read_text() == "-o DPkg::Lock::Timeout=300 update\n"


def test_the_exit_code_says_whether_there_are_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.report(Verdict(["ok      one"], [])) == 0
    assert run.report(Verdict(["FAILED  one"], ["Failed: one"])) == 1
    said = capsys.readouterr()
    assert said.out == "ok      one\nFAILED  one\n"
    assert said.err == "Failed: one\n"


@pytest.mark.parametrize("argv", [["--vm", "tests"], ["-x", "--vm"], ["--vm", "--vm"]])
def test_vm_stands_alone(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert tools_test.main(argv) == 2
    assert "--vm" in capsys.readouterr().err


def test_the_help_tells_of_vm(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tools_test.main(["--help"])
    assert caught.value.code == 0
    assert "--vm" in capsys.readouterr().out
