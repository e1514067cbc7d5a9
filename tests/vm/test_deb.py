"""The package of Debian from the first time to its purge, while clients ask."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import vm_deb
import vm_guests as guests
from nspawn import Container
from test_lifecycle import Asker, there, version

pytestmark = pytest.mark.whole

UNITS = ("edge-rt.socket", "edge-rt.service")
PARTS = ("control", "data")  # of a package


@pytest.fixture
def box(cache: Path, packages: list[str], store: Path, tmp_path: Path) -> Iterator[guests.Box]:
    """A guest of Debian to which nothing was done yet."""
    with (cache / "deb-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shown = {path: Path(path) for path in packages} | {"/srv/models": store}
        root = vm_deb.root(cache, tmp_path / "log")
        box = guests.Box(Container(root, shown, tmp_path / "console"))
        yield box
        box.close()


def groups(box: guests.Box) -> set[str]:
    """The groups of the guest, without their numbers and members."""
    lines = Path(box.guest.files, "etc/group").read_text().splitlines()
    return {":".join(line.split(":")[:2]) for line in lines}


def test_installed_upgraded_removed_and_purged(
    box: guests.Box, packages: list[str], next_version: str
) -> None:
    before, had = vm_deb.lasting(box.guest.files), groups(box)
    box.run("dpkg", "--install", packages[0])
    assert box.run("systemctl", "is-enabled", *UNITS).stdout.split() == ["enabled"] * 2
    assert [box.show("ActiveState", unit) for unit in UNITS] == ["active"] * 2
    assert box.run("dpkg", "--verify", "edge-rt").stdout == ""
    compiled = box.run("find", "/opt/edge-rt/lib", "-name", "__pycache__").stdout
    assert "edge_rt/__pycache__" in compiled
    assert there(box, "usr/share/man/man1/edge-rt-run.1.gz")

    box.configure()
    box.run("systemctl", "restart", "edge-rt.service")
    box.run("useradd", "--groups", "edge-rt", "somebody")
    assert box.complete(prompt="Hello", max_tokens=4)

    daemon, first, asker = box.show("MainPID"), version(box), Asker(box)
    opened = box.show("ActiveEnterTimestampMonotonic", "edge-rt.socket")
    box.run("dpkg", "--install", packages[1])
    assert version(box) == next_version != first
    assert asker.end() == set()
    assert box.show("MainPID") != daemon
    assert box.show("ActiveEnterTimestampMonotonic", "edge-rt.socket") == opened
    assert "/srv/models" in box.run("cat", f"/{guests.CONFIG}").stdout

    box.run("dpkg", "--remove", "edge-rt")
    assert there(box, "opt/edge-rt", "usr/bin/edge-rt", "run/edge-rt/edge-rt.sock") == set()
    assert there(box, guests.CONFIG, "var/lib/edge-rt/ledger.db") != set()
    assert [box.show("LoadState", unit) for unit in UNITS] == ["not-found"] * 2
    assert box.processes() == []

    box.run("dpkg", "--purge", "edge-rt")
    box.run("userdel", "--remove", "somebody", check=False)
    left = vm_deb.lasting(box.guest.files)
    changed = {name for name in {*before, *left} if left.get(name) != before.get(name)}
    assert changed <= {"etc/group", "etc/gshadow"}
    assert groups(box) - had <= {"i2c:x"}  # the distribution's own, whoever needs it first


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_with_the_wheel_for_all_processors_each_debian_answers(
    release: str, cache: Path, store: Path, tmp_path: Path
) -> None:
    llama, log = vm_deb.portable(cache), tmp_path / "log"
    with (cache / "deb-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = vm_deb.root(cache, log, release)
        package = vm_deb.package(root, llama, cache, tmp_path, log)
        shown = {str(package): package, "/srv/models": store}
        box = guests.Box(Container(root, shown, tmp_path / "console"))
        try:
            box.run("apt-get", "install", "--yes", str(package))
            box.configure()
            box.run("systemctl", "restart", "edge-rt.service")
            assert "Paris" in box.complete(prompt="The capital of France is", max_tokens=8)
        finally:
            box.close()


def test_lintian_finds_no_errors(packages: list[str]) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("needs apt-get install lintian")
    words = ["lintian", "--allow-root", "--fail-on", "error,warning"]
    # These are packed without it, to be made sooner.
    words += ["--suppress-tags", ",".join(f"uses-no-compression-for-{it}-tarball" for it in PARTS)]
    words.append(packages[0])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_installation_by_tools_install_is_not_overwritten(
    box: guests.Box, packages: list[str]
) -> None:
    box.write("opt/edge-rt/edge-rt-install.json", "{}")
    done = box.run("dpkg", "--install", packages[0], check=False)
    assert done.returncode == 1
    assert "tools/install --uninstall" in done.stderr
    assert there(box, "usr/bin/edge-rt", "opt/edge-rt/bin") == set()


def test_a_masked_unit_is_upgraded_and_a_purge_spares_what_tools_install_made_since(
    box: guests.Box, packages: list[str], next_version: str
) -> None:
    box.run("dpkg", "--install", packages[0])
    box.run("/opt/edge-rt/bin/pip", "--version")
    box.run("systemctl", "mask", "--now", "edge-rt.service")
    box.run("dpkg", "--install", packages[1])
    assert version(box) == next_version
    box.run("dpkg", "--remove", "edge-rt")
    made = {"opt/edge-rt/edge-rt-install.json", "var/lib/edge-rt/kept"}
    for name in made:
        box.write(name, "{}")
    box.run("dpkg", "--purge", "edge-rt")
    assert there(box, *made) == made
    assert "edge-rt:x" in groups(box)
