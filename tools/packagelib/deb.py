"""A package of Debian: files where a distribution has them, and an environment in /opt."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bootstrap.logged import run_logged
from bootstrap.paths import CHECKOUT
from bootstrap.progress import Progress
from docslib.manual import write_manual
from installlib import files, pages

from packagelib import bom, control, tree
from packagelib.target import Target

_UNITS = CHECKOUT / "systemd"
# Where packages have what an administrator's own installation has in /etc.
_FILES = {name: place.replace("/etc/", "usr/lib/") for name, place in files.PLACES.items()}
_FILES["config.yaml"] = files.CONFIG.lstrip("/")
_DOC = "usr/share/doc/edge-rt"
# Which release of GCC brought the latest symbols of its C++ library.
_GCC = {29: "11", 30: "12", 31: "13", 32: "13", 33: "14", 34: "15"}
_GLIBC = re.compile(rb"\0GLIBC_2\.(\d+)(?=[.\0])")
_GLIBCXX = re.compile(rb"\0GLIBCXX_3\.4\.(\d+)(?=\0)")
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/edge-rt",
    "zsh": "usr/share/zsh/vendor-completions/_edge-rt",
    "fish": "usr/share/fish/vendor_completions.d/edge-rt.fish",
}


def build(
    scratch: Path, wheels: Path, out: Path, target: Target, log: Path, env: Mapping[str, str]
) -> Path:
    """Make the package of what is in `wheels`, in the folder `out`; returns its file.

    The same sources, wheels and $SOURCE_DATE_EPOCH make the same file. Raises SetupError.
    """
    root, when, who = scratch / "root", _when(env), control.maintainer(env)
    with Progress(f"Putting the package for {target.arch} together"):
        site = tree.make(root / str(tree.PREFIX).lstrip("/"), wheels, target, log)
        packages = tree.installed(site)
        ours = next(each for each in packages if tree.name_of(each) == bom.OURS)
        version = control.debian_version(ours.version, target)
        _put_files(root)
        put_pages(root)
        put_completions(root)
        _put_documents(root, control.changelog(version, who, when))
        documents = root / _DOC
        (documents / "copyright").write_text(bom.copyright_file(packages))
        said = json.dumps(bom.sbom(packages, target, when), indent=1)
        (documents / "sbom.cdx.json").write_text(said + "\n")
        _plain_modes(root)
        control.write(root, target, version, native_needs(site), who)
    out.mkdir(parents=True, exist_ok=True)
    made = out / f"edge-rt_{version}_{target.arch}.deb"
    with Progress("Compressing it"):
        words = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(made)]
        run_logged(words, log, env={**os.environ, **env, "SOURCE_DATE_EPOCH": str(when)})
    shutil.copyfile(documents / "sbom.cdx.json", made.with_suffix(".cdx.json"))
    return made


def _put_files(root: Path) -> None:
    for name, place in _FILES.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_UNITS / name, path)
    command = root / "usr/bin/edge-rt"
    command.parent.mkdir()
    command.symlink_to(tree.PREFIX / "bin/edge-rt")


def _put_documents(root: Path, changelog: str) -> None:
    documents = root / _DOC
    documents.mkdir(parents=True)
    shutil.copyfile(CHECKOUT / "CHANGELOG.md", documents / "changelog")
    (documents / "changelog.Debian").write_text(changelog)
    for name in ("changelog", "changelog.Debian"):
        compress(documents / name)
    overrides = root / "usr/share/lintian/overrides/edge-rt"
    overrides.parent.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("lintian-overrides"), overrides)


def _plain_modes(root: Path) -> None:
    """The rights that files have in packages, whatever umask and wheels say."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if runs else 0o644)


def _when(env: Mapping[str, str]) -> int:
    """$SOURCE_DATE_EPOCH, else when the checkout was last committed to."""
    if named := env.get("SOURCE_DATE_EPOCH"):
        return int(named)
    words = ["git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return int(said) if said else int((CHECKOUT / "CHANGELOG.md").stat().st_mtime)


def native_needs(folder: Path) -> list[str]:
    """Debian's packages that the libraries below `folder` need, with their oldest versions."""
    libraries = [path.read_bytes() for path in sorted(folder.rglob("*.so*")) if path.is_file()]
    libc = max((_latest(_GLIBC, library) for library in libraries), default=0)
    cxx = max((_latest(_GLIBCXX, library) for library in libraries), default=0)
    gcc = next((release for symbols, release in _GCC.items() if symbols >= cxx), "15")
    found = {f"libc6 (>= 2.{libc})": libc, "libgomp1": 1, f"libstdc++6 (>= {gcc})": cxx}
    return [package for package, wanted in found.items() if wanted]


def _latest(pattern: re.Pattern[bytes], library: bytes) -> int:
    return max((int(minor) for minor in pattern.findall(library)), default=0)


def put_pages(root: Path) -> None:
    """Write the man page of each command below `root`."""
    for page in write_manual(root / "usr/share/man/man1"):
        compress(page)


def put_completions(root: Path) -> None:
    """Write what completes commands in bash, zsh and fish below `root`."""
    pages.put_completions({shell: root / place for shell, place in _COMPLETIONS.items()})


def compress(path: Path) -> None:
    """Replace a file by its compressed form, the same each time."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()
