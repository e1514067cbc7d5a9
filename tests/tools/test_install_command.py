"""An image gets the service from wheels, again and again, and loses it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from installlib import environment, files
from installlib.command import main

_INFO = "edge_rt-{version}.dist-info"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("systemctl") is None and not os.environ.get("CI"), reason="needs systemctl"
    ),
]


def wheel(folder: Path, version: str) -> None:
    """A wheel of edge_rt whose command prints the version and the place of its Python."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    info = _INFO.format(version=version)
    metadata = f"Metadata-Version: 2.1\nName: edge_rt\nVersion: {version}\n"
    content = {
        "edge_rt.py": f"def main():\n    import sys\n    print({version!r}, sys.executable)\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-rt = edge_rt:main\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"edge_rt-{version}-py3-none-any.whl", "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)


class Image:
    """The root of an image and the folder of wheels for it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.wheels = folder / "root", folder / "wheels"
        self._environment = os.environ | {
            "DESTDIR": str(self.root),
            "EDGE_RT_CACHE": str(folder / "cache"),
        }

    def install(self, *options: str) -> tuple[int, str]:
        """Return how it ends and what it says. The tests' Python may lie in somebody's home."""
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
            patch.setattr(environment, "HIDDEN", ())
            return main(options, self._environment), said.getvalue()

    def at(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Each file with what changes when it is written anew."""
        found = [path for path in self.root.rglob("*") if path.is_symlink() or path.is_file()]
        return {str(p): (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in found}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """One with version 1.0 in it."""
    image = Image(tmp_path_factory.mktemp("image"))
    wheel(image.wheels, "1.0")
    assert image.install("--wheels", str(image.wheels))[0] == 0
    return image


def program(image: Image) -> str:
    """Return what the command in the image says, run by the Python there."""
    script = image.at("/opt/edge-rt/bin/edge-rt")
    argv = [str(image.at("/opt/edge-rt/bin/python")), str(script)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_everything_is_in_the_image_and_names_its_own_paths(image: Image) -> None:
    assert program(image).startswith("1.0 ")
    script = image.at("/opt/edge-rt/bin/edge-rt").read_text()
    assert script.startswith("#!/opt/edge-rt/bin/python")
    assert image.at(files.COMMAND).readlink() == Path("/opt/edge-rt/bin/edge-rt")
    for path in (*image.at("/opt/edge-rt/bin").iterdir(), image.at("/opt/edge-rt/pyvenv.cfg")):
        assert str(image.root).encode() not in (b"" if path.is_symlink() else path.read_bytes())
    for place in (*files.PLACES.values(), files.CONFIG):
        assert image.at(place).is_file(), place
    wants = image.at("/etc/systemd/system")
    assert (wants / "sockets.target.wants/edge-rt.socket").is_symlink()
    assert (wants / "multi-user.target.wants/edge-rt.service").is_symlink()


def test_again_nothing_changes(image: Image) -> None:
    before = image.snapshot()
    code, said = image.install("--wheels", str(image.wheels))
    assert (code, said) == (0, "/opt/edge-rt is as it should be.\n")
    assert image.snapshot() == before


def modes(image: Image) -> dict[str, str]:
    """Return what not everybody may read, and run where root may."""
    found: dict[str, str] = {}
    for path in image.root.rglob("*"):
        mode = path.lstat().st_mode
        if not path.is_symlink() and mode & 0o055 != (0o055 if mode & 0o100 else 0o044):
            found[str(path)] = oct(mode)
    return found


def test_a_strict_umask_closes_nothing_and_a_rerun_mends_what_one_closed(tmp_path: Path) -> None:
    image = Image(tmp_path)
    wheel(image.wheels, "1.0")
    old = os.umask(0o077)
    try:
        assert image.install("--wheels", str(image.wheels))[0] == 0
        assert modes(image) == {}
        site = next(image.at("/opt/edge-rt/lib").glob("*/site-packages"))
        for path in (image.at("/opt"), site, site / "edge_rt.py", image.at(files.CONFIG).parent):
            path.chmod(0o700 if path.is_dir() else 0o600)
        assert image.install("--wheels", str(image.wheels)) == (0, "/opt/edge-rt is installed.\n")
        assert modes(image) == {}
        assert image.install("--wheels", str(image.wheels))[1].endswith("as it should be.\n")
    finally:
        os.umask(old)


def test_a_new_version_takes_the_place_of_the_old_one_and_settings_stay(image: Image) -> None:
    image.at(files.CONFIG).write_text("log: {level: debug}\n")
    image.at(files.PLACES[files.SERVICE]).write_text("[Service]\n")
    wheel(image.wheels, "2.0")
    assert image.install("--wheels", str(image.wheels))[0] == 0
    assert program(image).startswith("2.0 ")
    assert image.at(files.CONFIG).read_text() == "log: {level: debug}\n"
    assert "ExecStart=" in image.at(files.PLACES[files.SERVICE]).read_text()
    assert [path.name for path in image.at("/opt").iterdir()] == ["edge-rt"]


def test_what_cannot_be_installed_leaves_what_is_there(image: Image) -> None:
    before = program(image)
    for broken in image.wheels.iterdir():
        broken.write_bytes(b"no archive")
    assert image.install("--wheels", str(image.wheels))[0] == 1
    assert program(image) == before
    assert [path.name for path in image.at("/opt").iterdir()] == ["edge-rt"]


def test_uninstalled_only_the_settings_are_left(image: Image) -> None:
    code, said = image.install("--uninstall")
    assert code == 0
    assert said.startswith("Kept:")
    left = [path for path in image.root.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert left == [image.at(files.CONFIG)]
    assert image.install("--uninstall")[0] == 0, "a second time there is nothing to do"


Say = Callable[[list[str]], str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Return what `tools/install` says with such options, which it must not take."""

    def say(options: list[str]) -> str:
        env = {"DESTDIR": str(tmp_path / "root"), "EDGE_RT_CACHE": str(tmp_path / "cache")}
        assert main(options, env) == 1
        assert not (tmp_path / "root").exists()
        return capsys.readouterr().err

    return say


def test_a_prefix_that_units_cannot_hold_is_refused(refused: Say) -> None:
    assert "--prefix" in refused(["--prefix", "/opt/edge rt"])
    assert "--prefix" in refused(["--prefix", "opt"])


def test_a_folder_without_the_wheel_is_refused(refused: Say, tmp_path: Path) -> None:
    assert "pip wheel" in refused(["--wheels", str(tmp_path)])


def test_only_root_may_install_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["--uninstall"], {}) == 1
    assert "sudo tools/install" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["/root/.pyenv/bin/python3", "/home/me/python3"])
def test_a_python_that_the_service_cannot_see_is_told_from_others(place: str) -> None:
    assert environment.hidden(Path(place))
    assert not environment.hidden(Path("/usr/bin/python3"))
