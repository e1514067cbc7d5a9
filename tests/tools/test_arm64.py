from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from arm64lib import check
from arm64lib import root as arm64_root
from bootstrap import SetupError
from bootstrap import test as tools_test


def header(bits: int, kind: int, machine: int) -> bytes:
    """The first bytes of an ELF file for any system."""
    return b"\x7fELF" + bytes((bits, 1, 1, 0)) + bytes(8) + struct.pack("<HH", kind, machine)


def matches(line: str, start: bytes) -> bool:
    """Return whether the kernel would give a file that starts so to the interpreter of `line`."""
    magic, mask = (
        field.encode().decode("unicode_escape").encode("latin-1") for field in line.split(":")[4:6]
    )
    assert len(magic) == len(mask)
    return all(byte & kept == want for byte, kept, want in zip(start, mask, magic, strict=True))


def test_qemu_gets_programs_of_aarch64_and_no_others() -> None:
    line = arm64_root.registration("qemu-aarch64", Path("/usr/bin/qemu"))
    assert line.startswith(":qemu-aarch64:M::")
    assert line.endswith(":/usr/bin/qemu:OCF")
    executable, shared, core = 2, 3, 4
    assert matches(line, header(2, executable, 183))
    assert matches(line, header(2, shared, 183))  # as position-independent programs are
    assert not matches(line, header(2, core, 183))
    assert not matches(line, header(1, executable, 183))
    assert not matches(line, header(2, executable, 62))  # x86-64
    linux = bytearray(header(2, executable, 183))
    linux[7] = 3  # programs with static functions of GNU's name their system
    assert matches(line, bytes(linux))


def test_a_command_mounts_where_nobody_else_sees_it(tmp_path: Path) -> None:
    words = arm64_root.command(tmp_path, ["x y"], {"/srv/wheels": tmp_path / "a b"}, {"A": "1"})
    assert words[:3] == ["unshare", "--mount", "--propagation=private"]
    script = words[-1]
    assert f"mount --bind '{tmp_path}/a b' {tmp_path}/srv/wheels" in script
    assert script.endswith(" A=1 'x y'")
    assert f"QEMU_CPU={arm64_root.PROCESSOR}" in script


def test_the_copy_has_what_git_has_or_would_take(tmp_path: Path) -> None:
    checkout, place = tmp_path / "checkout", tmp_path / "copy"
    (checkout / "a").mkdir(parents=True)
    (checkout / ".gitignore").write_text("ignored\n")
    for name in ("a/program", "ignored", "gone"):
        (checkout / name).write_text(name)
    (checkout / "a/program").chmod(0o755)
    (checkout / "link").symlink_to("a")  # as edge_rt/boards is one to a folder
    git = ["git", "-C", str(checkout)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "gone"], check=True)
    (checkout / "gone").unlink()
    place.mkdir()
    (place / "old").touch()
    check.copy_checkout(place, checkout)
    found = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert found == {".gitignore", "a/program"}
    assert os.access(place / "a/program", os.X_OK)
    assert (place / "link").readlink() == Path("a")


def test_a_compiler_in_the_root_is_found(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    arm = check.Arm(tmp_path, tmp_path)
    assert not arm.compilers()
    (tmp_path / "usr/bin/cc").symlink_to("/etc/alternatives/cc")
    assert arm.compilers() == ["cc"]


def test_it_needs_wheels_and_takes_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert tools_test.main(["--arm64"]) == 2
    assert "--wheels DIR" in capsys.readouterr().err
    assert tools_test.main(["--wheels", "x", "--arm64", "-k", "y"]) == 2
    assert "takes no other arguments" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_wheels_for_others_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"llama_cpp_python-{check.wheelhouse.pinned()}-py3-none-linux_x86_64.whl").touch()
    with pytest.raises(SetupError, match="tools/wheels --arch aarch64"):
        check.check(tmp_path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_every_room_that_is_tested_is_there() -> None:
    words = [*check.TESTS, *check.CONFORMANCE]
    rooms = [check.CHECKOUT / word for word in words if word.startswith("tests/")]
    assert rooms
    assert all(room.exists() for room in rooms)


def test_few_tests_of_real_models_are_run_where_each_takes_minutes() -> None:
    words = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", *check.CONFORMANCE]
    done = subprocess.run(words, cwd=check.CHECKOUT, capture_output=True, text=True, check=True)
    suite = [line for line in done.stdout.splitlines() if "test_conformance.py::" in line]
    rows = "several_rows_of_a_pass_are_as_good_as_passes_of_their_own"
    assert [line.partition("::test_")[2] for line in suite if "tiny" not in line] == [
        f"{rows}[llama.cpp]",
        f"{rows}[onnx]",
    ]
    assert sum("[llama.cpp, tiny" in line for line in suite) > 30
    assert "test_conformance_pair.py::test_a_text_is_expected_alike" in done.stdout
