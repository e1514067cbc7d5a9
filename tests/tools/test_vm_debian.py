from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import SetupError
from vm import debian

Script = Callable[[Path, str], Path]

RELEASE = 'PRETTY_NAME="Debian"\nID={}\nVERSION_CODENAME=trixie\n'
UNPACK = """#!/bin/sh
for root; do :; done
mkdir -p $root/etc/ssl/certs $root/var $root/usr/bin $root/usr/share/base-passwd \
  $root/usr/share/ca-certificates/a $root/usr/share/doc
echo root > $root/usr/share/base-passwd/passwd.master
echo root > $root/usr/share/base-passwd/group.master
echo one > $root/usr/share/ca-certificates/a/1.crt
echo two > $root/usr/share/ca-certificates/2.crt
ln -s python3.13 $root/usr/bin/python3
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> Path:
    """Programs that unpack a little nothing and do nothing with it."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(debian, "suite", lambda: "trixie")
    script(folder / "mmdebstrap", UNPACK)
    for name in ("systemd-sysusers", "ldconfig", "chroot"):
        script(folder / name, "#!/bin/sh\n")
    return folder


def test_the_suite_is_this_machine_s(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    for text in (None, RELEASE.format("ubuntu"), "ID=debian\n"):
        if text is not None:
            file.write_text(text)
        with pytest.raises(SetupError, match="Debian"):
            debian.suite(file)
    file.write_text(RELEASE.format("debian"))
    assert debian.suite(file) == "trixie"


def test_a_root_is_made_once_and_those_of_old_go(cache: Path, programs: Path) -> None:
    assert debian.find(cache) is None
    (cache / "vm-root/old").mkdir(parents=True)
    root = debian.make(cache, cache / "log")
    assert debian.find(cache) == root
    assert list((cache / "vm-root").iterdir()) == [root]
    assert debian.python_of(root) == "3.13"
    assert (root / "etc/passwd").read_text() == "root\n"
    assert (root / "etc/ssl/certs/ca-certificates.crt").read_text() == "two\none\n"
    assert not (root / "usr/share/doc").exists()


@pytest.mark.parametrize("broken", ["mmdebstrap", "systemd-sysusers", "ldconfig", "chroot"])
def test_a_step_that_fails_leaves_nothing(
    cache: Path, programs: Path, script: Script, broken: str
) -> None:
    script(programs / broken, "#!/bin/sh\nexit 3\n")
    with pytest.raises(SetupError, match="exit code 3"):
        debian.make(cache, cache / "log")
    assert list((cache / "vm-root").iterdir()) == []
