"""A Debian root for guests: systemd, udev and Python, as the packages ship them."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from bootstrap import SetupError
from bootstrap.kept import kept
from bootstrap.logged import run_logged

PROGRAMS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap"}  # by package
# Without a package manager: what an image builder would put beside edge_rt. libgomp1 and libstdc++6
# are what llama.cpp is linked against, strace and curl are for this checkout's tests.
PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "grep", "kmod", "libc-bin"),
    *("login", "mount", "passwd", "procps", "sed", "systemd", "systemd-sysv", "udev"),
    *("util-linux", "python3", "python3-venv", "libgomp1", "libstdc++6", "strace", "curl"),
)
_DOCUMENTS = ("doc", "info", "lintian", "locale", "man")
_COMPILED = "idlelib|lib2to3|test|turtledemo"  # is never imported


def find(cache: Path) -> Path | None:
    """The root that an earlier run of the same code has made."""
    folder = cache / "vm-root" / _key()
    return folder if folder.is_dir() else None


def make(cache: Path, log: Path) -> Path:
    """Fetch and unpack; raises SetupError. Only root can: the files are root's."""

    def unpack(scratch: Path) -> Path:
        root = scratch / "root"
        words = ["--variant=extract", "--format=directory", f"--include={','.join(PACKAGES)}"]
        run_logged(["mmdebstrap", "--quiet", *words, suite(), str(root)], log)
        _set_up(root, log)
        return root

    return kept(cache / "vm-root" / _key(), "Fetching a Debian root", unpack)


def suite(release: Path = Path("/etc/os-release")) -> str:
    """This machine's release of Debian, such as "trixie"; raises SetupError where it is none."""
    said = release.read_text() if release.exists() else ""
    name = re.search(r"^VERSION_CODENAME=(\w+)$", said, re.MULTILINE)
    if name is None or "\nID=debian\n" not in f"\n{said}":
        raise SetupError("A guest needs Debian here, too: its packages come from where yours do.")
    return name[1]


def python_of(root: Path) -> str:
    """The version of its Python, such as "3.13"."""
    return (root / "usr/bin/python3").readlink().name.removeprefix("python")


def _set_up(root: Path, log: Path) -> None:
    """Do what the packages' scripts would have done, as far as a guest needs it."""
    for name in ("passwd", "group"):
        shutil.copyfile(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    for name in _DOCUMENTS:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))  # pip wants some
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
    (root / "etc/machine-id").write_text("")  # a guest makes its own
    (root / "etc/hostname").write_text("guest\n")
    run_logged(["systemd-sysusers", f"--root={root}"], log)
    run_logged(["ldconfig", "-r", str(root)], log)
    library = f"/usr/lib/python{python_of(root)}"
    # A service cannot, and would compile at each start.
    compile_ = ["-m", "compileall", "-q", "-j", "0", "-x", f"/({_COMPILED})/", library]
    run_logged(["chroot", str(root), "/usr/bin/python3", *compile_], log)
    for folder in ("etc", "var"):  # a first boot has nothing to bring up to date
        (root / folder / ".updated").touch()


def _key() -> str:
    return f"{suite()}-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
