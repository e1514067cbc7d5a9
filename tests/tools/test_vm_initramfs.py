from __future__ import annotations

import io
import sys
from pathlib import Path

from bootstrap.paths import CHECKOUT
from vm import initramfs
from vm.initramfs import Python


def entries(archive: bytes) -> list[tuple[str, int, int, bytes]]:
    """Name, mode, time and content of everything in a cpio archive."""
    found: list[tuple[str, int, int, bytes]] = []
    place = 0
    while True:
        assert archive[place : place + 6] == b"070701"
        fields = [int(archive[place + 6 + 8 * i :][:8], 16) for i in range(13)]
        name = archive[place + 110 :][: fields[11] - 1].decode()
        start = place + 110 + fields[11]
        start += -start % 4
        if name == "TRAILER!!!":
            return found
        found.append((name, fields[1], fields[5], archive[start : start + fields[6]]))
        place = start + fields[6]
        place += -place % 4


def test_files_come_back_with_time_and_content(tmp_path: Path) -> None:
    texts = {"/a/b/one": b"1", "/a/two": b"22222", "/three": b""}
    files = {name: tmp_path / name.replace("/", "_") for name in texts}
    for name, path in files.items():
        path.write_bytes(texts[name])
    target = io.BytesIO()
    initramfs.write(target, files)
    found = entries(target.getvalue())
    got = {f"/{name}": content for name, mode, _, content in found if mode >> 12 == 0o10}
    assert got == texts
    times = {f"/{name}": time for name, mode, time, _ in found if mode >> 12 == 0o10}
    assert times == {name: int(path.stat().st_mtime) for name, path in files.items()}


def test_every_folder_comes_before_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    target = io.BytesIO()
    initramfs.write(target, {"/a/b/c/d": tmp_path / "x", "/a/e": tmp_path / "x"})
    seen = {"."}
    for name, mode, _, _ in entries(target.getvalue()):
        assert str(Path(name).parent) in seen
        if mode >> 12 == 0o4:
            seen.add(name)
    assert {"a", "a/b", "a/b/c", "dev"} <= seen


def test_there_is_a_console(tmp_path: Path) -> None:
    target = io.BytesIO()
    initramfs.write(target, {})
    assert [(name, mode) for name, mode, _, _ in entries(target.getvalue())] == [
        ("dev", 0o40755),
        ("dev/console", 0o20600),
    ]


def test_the_guest_gets_python_our_readers_and_the_modules(tmp_path: Path) -> None:
    library, smbus2 = tmp_path / "python", tmp_path / "smbus2"
    others = ("test/x.py", "site-packages/torch.py", "config-3/a.o", "json/x.opt-1.pyc")
    for name in ("json/__init__.py", *others):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).touch()
    smbus2.mkdir()
    (smbus2 / "__init__.py").touch()
    (extensions := tmp_path / "extensions.py").touch()
    python = Python(Path(sys.executable).resolve(), library, smbus2, extensions)
    files = initramfs.files(python, CHECKOUT, [tmp_path / "ina3221.ko"])
    assert [n for n in files if n.startswith(str(library))] == [f"{library}/json/__init__.py"]
    assert files[str(python.program)] == python.program
    assert any("/ld-linux" in name for name in files)
    reader = "edge_rt/board/readers/ina3221_i2c.py"
    assert files[f"/{reader}"] == CHECKOUT / reader
    assert files["/typing_extensions.py"] == extensions
    assert {"/smbus2/__init__.py", "/vm/plan.py", "/vm/guest/__main__.py"} <= set(files)
    assert files["/modules/ina3221.ko"] == tmp_path / "ina3221.ko"


def test_what_the_environment_stands_on_is_found() -> None:
    python = initramfs.python_of(Path(sys.executable))
    assert python.program.is_file()
    assert not python.program.is_symlink()
    assert (python.library / "json/__init__.py").is_file()
    assert (python.smbus2 / "__init__.py").is_file()
    assert python.typing_extensions.name == "typing_extensions.py"
