"""What dpkg is told of a package."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path

from packagelib.target import Target

CONFFILES = ("/etc/edge-rt/config.yaml",)
_DESCRIPTION = """\
language models within a budget of watts and heat
 A daemon that serves language models on one Jetson, Raspberry Pi or mini PC
 by the API of OpenAI and that of Ollama, over a Unix socket or TCP. It measures
 or models what the board draws, and holds power and temperature below limits.
 .
 It runs from a virtual environment in /opt/edge-rt, with the Python of the
 distribution and libraries of its own."""
_SCRIPTS = Path(__file__).with_name("scripts")


def debian_version(version: str, target: Target) -> str:
    """The version of a release as Debian orders it: a package for each Python.

    What comes before a release, such as 0.2.0rc1, sorts before it.
    """
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version) + f"-1+py{target.python}"


def maintainer(env: Mapping[str, str]) -> str:
    """Return who answers for the package: $DEBFULLNAME and $DEBEMAIL, as Debian's tools do."""
    name, email = env.get("DEBFULLNAME", "edge_rt"), env.get("DEBEMAIL", "edge-rt@example.org")
    return f"{name} <{email}>"


def write(root: Path, target: Target, version: str, needs: Sequence[str], who: str) -> None:
    """Write the folder DEBIAN into the tree of a package; the last thing that is put there."""
    folder = root / "DEBIAN"
    size = sum(_blocks(path) for path in root.rglob("*"))
    folder.mkdir()
    depends = ["python3", f"python{target.python}", *needs, "systemd"]
    fields = {
        "Package": "edge-rt",
        "Version": version,
        "Architecture": target.arch,
        "Maintainer": who,
        "Installed-Size": str(size),
        "Pre-Depends": "init-system-helpers (>= 1.54~)",
        "Depends": ", ".join(depends),
        "Section": "net",
        "Priority": "optional",
        "Description": _DESCRIPTION,
    }
    folder.joinpath("control").write_text("".join(f"{k}: {v}\n" for k, v in fields.items()))
    folder.joinpath("conffiles").write_text("".join(f"{path}\n" for path in CONFFILES))
    for script in sorted(_SCRIPTS.iterdir()):
        made = folder / script.name
        made.write_bytes(script.read_bytes())
        made.chmod(0o755)
    folder.joinpath("md5sums").write_text("".join(_sums(root)))


def changelog(version: str, who: str, when: int) -> str:
    """The changelog of the packaging: what is new in edge_rt stands in its own."""
    date = formatdate(when)
    entry = (
        f"edge-rt ({version}) unstable; urgency=medium\n\n  * edge_rt's release; see changelog.gz."
    )
    return f"{entry}\n\n -- {who}  {date.replace('-0000', '+0000')}\n"


def _blocks(path: Path) -> int:
    """KiB as dpkg counts them: whole ones of files, one for anything else."""
    return -(-path.stat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _sums(root: Path) -> list[str]:
    skipped = {root / place.lstrip("/") for place in CONFFILES}
    files = [each for each in sorted(root.rglob("*")) if each.is_file() and not each.is_symlink()]
    return [
        f"{_md5(each)}  {each.relative_to(root)}\n"
        for each in files
        if each not in skipped and root / "DEBIAN" not in each.parents
    ]
