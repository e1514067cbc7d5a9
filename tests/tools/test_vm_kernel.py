from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bootstrap import SetupError
from vm import kernel
from vm.kernel import Release
from vm.plan import DISK_MODULES

Script = Callable[[Path, str], Path]

RELEASE = Release("6.1.2+deb99-amd64", "6.1.2-3", "linux-source-6.1", "gcc-12")
LISTS = """#!/bin/sh
case "$3" in
linux-image-amd64) echo "Depends: linux-image-6.1.2+deb99-amd64 (= 6.1.2-3)" ;;
linux-source) echo "Depends: linux-source-6.1 (= 6.1.2-3)" ;;
linux-headers-6.1.2+deb99-amd64) echo "Depends: linux-base, linux-kbuild-6.1.2+deb99, gcc-12" ;;
esac
"""
DOWNLOAD = '#!/bin/sh\necho "$*" >> {calls}\n: > all.deb\n'
EXTRACT = """#!/bin/sh
modules=$3/usr/lib/modules/6.1.2+deb99-amd64/kernel/drivers/i2c
mkdir -p $3/boot $modules $3/usr/src/linux-headers-6.1.2+deb99-amd64
echo image > $3/boot/vmlinuz-6.1.2+deb99-amd64
cp {packed} $modules/i2c-dev.ko.xz
echo stub > $modules/i2c-stub.ko
echo warm > $modules/lm75.ko
for name in {disk}; do echo disk > $modules/$name.ko; done
"""
UNPACK = """#!/bin/sh
file="${1#*=}/$5" name="${5##*/}"
mkdir -p "${file%/*}"
echo "driver of ${name%.c}" > "$file"
"""
BUILD = """#!/bin/sh
for word; do case $word in M=*) folder=${word#M=} ;; esac; done
for file in $folder/*.c; do cp $file ${file%.c}.ko; done
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs come before the system's."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def test_the_release_is_what_the_lists_offer(programs: Path, script: Script) -> None:
    script(programs / "apt-cache", LISTS)
    assert kernel.newest() == RELEASE


@pytest.mark.parametrize("gone", ["linux-image-amd64", "linux-source", "linux-headers"])
def test_lists_without_a_kernel_are_told(programs: Path, script: Script, gone: str) -> None:
    script(programs / "apt-cache", LISTS.replace(f"{gone}", "other"))
    with pytest.raises(SetupError):
        kernel.newest()


def test_all_packages_have_the_version_of_the_kernel() -> None:
    assert RELEASE.packages == [
        "linux-image-6.1.2+deb99-amd64=6.1.2-3",
        "linux-headers-6.1.2+deb99-amd64=6.1.2-3",
        "linux-headers-6.1.2+deb99-common=6.1.2-3",
        "linux-kbuild-6.1.2+deb99=6.1.2-3",
        "linux-source-6.1=6.1.2-3",
    ]


@pytest.fixture
def toolchain(tmp_path: Path, programs: Path, script: Script) -> Path:
    """Programs that fetch, unpack and build a little nothing; the calls of apt-get."""
    calls = tmp_path / "calls"
    script(programs / "apt-get", DOWNLOAD.format(calls=calls))
    packed = tmp_path / "packed"
    packed.write_bytes(lzma.compress(b"dev\n"))
    script(programs / "dpkg-deb", EXTRACT.format(packed=packed, disk=" ".join(DISK_MODULES)))
    script(programs / "tar", UNPACK)
    script(programs / "make", BUILD)
    return calls


def test_a_kernel_is_made_once(cache: Path, toolchain: Path) -> None:
    assert kernel.find(cache, RELEASE) is None
    made = kernel.make(cache, RELEASE, cache / "log")
    assert kernel.find(cache, RELEASE) == made
    assert made.image.read_text() == "image\n"
    assert [path.read_text() for path in made.modules] == [
        *("dev\n", "stub\n", "warm\n"),
        *["disk\n"] * len(DISK_MODULES),
        *("driver of ina3221\n", "driver of ina238\n"),
    ]
    assert toolchain.read_text() == f"download {' '.join(RELEASE.packages)}\n"


def test_another_kernel_takes_the_place_of_the_last(cache: Path, toolchain: Path) -> None:
    kernel.make(cache, replace(RELEASE, version="6.1.2-2"), cache / "log")
    made = kernel.make(cache, RELEASE, cache / "log")
    assert list((cache / "vm").iterdir()) == [made.folder]
    assert kernel.find(cache, replace(RELEASE, version="6.1.2-2")) is None


@pytest.mark.parametrize("broken", ["apt-get", "dpkg-deb", "tar", "make"])
def test_a_step_that_fails_leaves_nothing(
    cache: Path, toolchain: Path, programs: Path, script: Script, broken: str
) -> None:
    script(programs / broken, "#!/bin/sh\nexit 3\n")
    with pytest.raises(SetupError, match="exit code 3"):
        kernel.make(cache, RELEASE, cache / "log")
    assert list((cache / "vm").iterdir()) == []


def test_a_kernel_without_the_stub_is_refused(
    tmp_path: Path, cache: Path, toolchain: Path, programs: Path, script: Script
) -> None:
    without = EXTRACT.replace("i2c-stub", "other").format(packed=tmp_path / "packed", disk="")
    script(programs / "dpkg-deb", without)
    with pytest.raises(SetupError, match="no module i2c-stub"):
        kernel.make(cache, RELEASE, cache / "log")
