from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import SetupError, system
from bootstrap.paths import CHECKOUT
from bootstrap.system import Need

Script = Callable[[Path, str], Path]

NEED = Need("a thing", ("thing", "libthing-dev"))
ACCEPTING = "#!/bin/sh\nexit 0\n"
LOCKED = """#!/bin/sh
echo "$*" >> {calls}
[ $(wc -l < {calls}) -gt 2 ] && exit 0
echo "E: Could not get lock {path}. It is held by process 12 (apt-get)" >&2
exit 100
"""
TOOLS = ["run", "test", "install", "wheels", "package", "eval", "docs"]
UNFIT = {
    "sys.version_info = (3, 9, 18)": "edge_rt needs Python 3.10 to 3.13, this is 3.9",
    "sys.maxsize = 2**31 - 1": "edge_rt needs a 64-bit system: this Python is a 32-bit one",
}


def test_a_path_without_a_compiler_is_a_need(tmp_path: Path) -> None:
    need = system.compiler_need({"PATH": str(tmp_path)})
    assert need is not None
    assert "g++" in need.packages


def test_a_compiler_that_links_nothing_is_a_need(tmp_path: Path, script: Script) -> None:
    script(tmp_path / "cc", ACCEPTING)
    script(tmp_path / "c++", "#!/bin/sh\nexit 1\n")
    assert system.compiler_need({"PATH": str(tmp_path)}) is not None


def test_any_of_the_usual_compilers_will_do(tmp_path: Path, script: Script) -> None:
    script(tmp_path / "clang", ACCEPTING)
    script(tmp_path / "g++", ACCEPTING)
    assert system.compiler_need({"PATH": str(tmp_path)}) is None


def test_the_named_compilers_are_the_ones_that_count(tmp_path: Path, script: Script) -> None:
    mine = script(tmp_path / "mine", ACCEPTING)
    env = {"PATH": "/nowhere", "CC": f"{mine} -m64", "CXX": str(mine)}
    assert system.compiler_need(env) is None
    assert system.compiler_need({**env, "CXX": "/nowhere/c++"}) is not None


def test_nothing_missing_installs_nothing(tmp_path: Path) -> None:
    system.provide([], tmp_path / "log", root=True, env={"PATH": "/nowhere"})


def test_a_user_is_told_the_exact_command(tmp_path: Path, script: Script) -> None:
    script(tmp_path / "apt-get", "#!/bin/sh\nexit 1\n")
    with pytest.raises(SetupError) as caught:
        system.provide([NEED], tmp_path / "log", root=False, env={"PATH": str(tmp_path)})
    assert "a thing" in str(caught.value)
    asked = "sudo apt-get -o DPkg::Lock::Timeout=300 install thing libthing-dev\n"
    assert asked in str(caught.value)


def test_without_apt_the_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="thing libthing-dev"):
        system.provide([NEED], tmp_path / "log", root=True, env={"PATH": str(tmp_path)})


def test_root_installs_and_refreshes_the_lists_when_they_are_old(
    tmp_path: Path, script: Script
) -> None:
    calls = tmp_path / "calls"
    script(
        tmp_path / "apt-get",
        f'#!/bin/sh\necho "$*" >> {calls}\n[ "$3" = update ] && : > {tmp_path}/fresh\n'
        f"[ -e {tmp_path}/fresh ]\n",
    )
    system.provide([NEED], tmp_path / "log", root=True, env={"PATH": str(tmp_path)})
    waits = "-o DPkg::Lock::Timeout=300"  # for another apt, such as that of unattended upgrades
    install = f"{waits} install --yes --no-install-recommends thing libthing-dev"
    assert calls.read_text().splitlines() == [install, f"{waits} update", install]


def test_the_package_lists_are_waited_for_which_apt_does_not_do(
    tmp_path: Path, script: Script
) -> None:
    calls, pauses = tmp_path / "calls", list[float]()
    text = LOCKED.format(calls=calls, path="/var/lib/apt/lists/lock")
    script(tmp_path / "apt-get", text)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    system.refresh_lists(tmp_path / "log", env, pauses.append)
    assert calls.read_text().splitlines() == ["-o DPkg::Lock::Timeout=300 update"] * 3
    assert len(pauses) == 2


def test_package_lists_that_fail_otherwise_or_for_long_are_an_error(
    tmp_path: Path, script: Script
) -> None:
    pauses = list[float]()
    apt = script(tmp_path / "apt-get", "#!/bin/sh\necho no network; exit 100\n")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with pytest.raises(SetupError, match="no network"):
        system.refresh_lists(tmp_path / "log", env, pauses.append)
    assert pauses == []
    script(apt, "#!/bin/sh\necho E: Could not get lock /var/lib/apt/lists/lock; exit 100\n")
    with pytest.raises(SetupError, match="lists/lock"):
        system.refresh_lists(tmp_path / "log", env, pauses.append)
    assert sum(pauses) == pytest.approx(300, rel=0.1)


def test_every_script_that_calls_apt_get_waits_for_another() -> None:
    calls = [
        line
        for script in (CHECKOUT / ".ci/run", *(CHECKOUT / "docs").rglob("*.md"))
        for line in script.read_text().splitlines()
        if re.search(r"apt-get (?:\S+ )*(install|update)\b", line)
    ]
    assert calls
    assert [line for line in calls if "-o DPkg::Lock::Timeout=" not in line] == []


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("line", UNFIT)
def test_an_old_or_32_bit_python_is_refused_at_once(line: str, tool: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{line}\n")
    argv = [sys.executable, str(CHECKOUT / "tools" / tool), "--help"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(UNFIT[line])
