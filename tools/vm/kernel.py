"""Debian's kernel and the modules for the guest, from packages that are only unpacked."""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.kept import kept
from bootstrap.logged import run_logged

from vm.plan import DISK_MODULES

SHIPPED = ("i2c-dev", "i2c-stub", "lm75", *DISK_MODULES)
BUILT = ("ina3221", "ina238")  # Debian does not ship them


@dataclass(frozen=True)
class Release:
    """One kernel as Debian names it: "6.12.9+deb13-amd64", package version "6.12.9-1"."""

    name: str
    version: str
    source: str  # the package with the sources
    compiler: str

    @property
    def packages(self) -> list[str]:
        """The packages to unpack, with the version that makes them belong together."""
        base = self.name.removesuffix("-amd64")
        names = (
            f"linux-image-{self.name}",
            f"linux-headers-{self.name}",
            f"linux-headers-{base}-common",
            f"linux-kbuild-{base}",
            self.source,
        )
        return [f"{name}={self.version}" for name in names]


def newest() -> Release:
    """Return what the package lists offer. Raises SetupError when they offer none."""
    image = re.search(r"^Depends: linux-image-(\S+-amd64) \(= (\S+)\)", _show("linux-image-amd64"))
    source = re.search(r"^Depends: (linux-source-\S+) ", _show("linux-source"))
    if image is None or source is None:
        raise SetupError("The package lists offer no linux-image-amd64 and linux-source.")
    name, version = image.groups()
    compiler = re.search(r"\bgcc-\d+", _show(f"linux-headers-{name}"))
    if compiler is None:
        raise SetupError(f"linux-headers-{name} does not say what it was built with.")
    return Release(name, version, source[1], compiler[0])


def _show(package: str) -> str:
    """The "Depends:" line of a package; empty when it is not known."""
    argv = ["apt-cache", "show", "--no-all-versions", package]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    return next((line for line in said.splitlines() if line.startswith("Depends:")), "")


@dataclass(frozen=True)
class Kernel:
    """A folder with `vmlinuz` and the modules, `NAME.ko`."""

    folder: Path

    @property
    def image(self) -> Path:
        """What QEMU boots."""
        return self.folder / "vmlinuz"

    @property
    def modules(self) -> list[Path]:
        """The modules, not compressed."""
        return [self.folder / f"{name}.ko" for name in (*SHIPPED, *BUILT)]


def find(cache: Path, release: Release) -> Kernel | None:
    """The kernel of `release`, when an earlier run of the same code has made it."""
    folder = cache / "vm" / _key(release)
    return Kernel(folder) if folder.is_dir() else None


def make(cache: Path, release: Release, log: Path) -> Kernel:
    """Fetch, unpack and build; only what the guest needs stays in the cache."""

    def build(work: Path) -> Path:
        unpacked = _unpack(release, work, log)
        made = work / "made"
        made.mkdir()
        _take_shipped(release, unpacked, made)
        for module in BUILT:
            _build(module, release, unpacked, work, log)
            shutil.copy(work / module / f"{module}.ko", made)
        return made

    title = f"Fetching Linux {release.name} and building {', '.join(BUILT)}"
    return Kernel(kept(cache / "vm" / _key(release), title, build))


def _key(release: Release) -> str:
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"{release.name}_{release.version}_{code[:12]}"


def _unpack(release: Release, work: Path, log: Path) -> Path:
    unpacked = work / "unpacked"
    run_logged(["env", f"--chdir={work}", "apt-get", "download", *release.packages], log)
    for package in sorted(work.glob("*.deb")):
        run_logged(["dpkg-deb", "--extract", str(package), str(unpacked)], log)
        package.unlink()
    return unpacked


def _take_shipped(release: Release, unpacked: Path, made: Path) -> None:
    shutil.copy(unpacked / f"boot/vmlinuz-{release.name}", made / "vmlinuz")
    for name in SHIPPED:
        found = [*unpacked.glob(f"**/lib/modules/{release.name}/kernel/**/{name}.ko*")]
        if len(found) != 1:
            raise SetupError(f"Linux {release.name} has no module {name}.")
        data = found[0].read_bytes()
        plain = lzma.decompress(data) if found[0].suffix == ".xz" else data
        (made / f"{name}.ko").write_bytes(plain)


def _build(module: str, release: Release, unpacked: Path, work: Path, log: Path) -> None:
    """Build a driver outside the kernel's tree, from the one file that it consists of."""
    folder, sources = work / module, unpacked / "usr/src"
    file = f"{release.source}/drivers/hwmon/{module}.c"
    tree = str(sources / f"{release.source}.tar.xz")
    run_logged(["tar", f"--directory={work}", "--occurrence=1", "-xf", tree, file], log)
    folder.mkdir()
    shutil.copy(work / file, folder)
    (folder / "Makefile").write_text(f"obj-m := {module}.o\n")
    headers = sources / f"linux-headers-{release.name}"
    common = sources / f"linux-headers-{release.name.removesuffix('-amd64')}-common"
    # The packaged Makefile names the place where the package would be installed.
    (headers / "Makefile").write_text(f"include {common}/Makefile\n")
    # Without the kernel's own type information, so that pahole is not needed.
    flags = [f"M={folder}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"]
    run_logged(["make", f"--directory={headers}", *flags], log)
