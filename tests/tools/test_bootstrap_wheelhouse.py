from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap import SetupError, llama_wheel, wheelhouse
from bootstrap.wheelhouse import SUMS, fitting, pinned


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Wheels for two architectures, of which one is for two systems."""
    for platform in ("manylinux_2_35_aarch64", "manylinux_2_28_x86_64", "manylinux_2_35_x86_64"):
        _wheel(tmp_path, platform)
    return tmp_path


def _wheel(folder: Path, platform: str, version: str = pinned()) -> Path:
    path = folder / f"llama_cpp_python-{version}-py3-none-{platform}.whl"
    path.write_text(platform)
    return path


@pytest.mark.parametrize(
    ("machine", "glibc", "chosen"),
    [
        ("aarch64", 35, "manylinux_2_35_aarch64"),
        ("aarch64", 41, "manylinux_2_35_aarch64"),
        ("x86_64", 34, "manylinux_2_28_x86_64"),
        ("x86_64", 36, "manylinux_2_35_x86_64"),
    ],
)
def test_the_wheel_for_this_machine_is_taken(
    house: Path, machine: str, glibc: int, chosen: str
) -> None:
    wheel = fitting(house, machine, glibc)
    assert wheel is not None
    assert wheel.read_text() == chosen


@pytest.mark.parametrize(("machine", "glibc"), [("aarch64", 34), ("riscv64", 41)])
def test_where_none_fits_it_is_said(
    house: Path, machine: str, glibc: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fitting(house, machine, glibc) is None
    assert f"for {machine} with glibc 2.{glibc}: it is compiled" in capsys.readouterr().err


def test_a_wheel_of_another_version_fits_nobody(tmp_path: Path) -> None:
    _wheel(tmp_path, "linux_x86_64", "0.0.1")
    assert fitting(tmp_path, "x86_64", 41) is None


def test_one_with_gpu_code_comes_first(house: Path) -> None:
    both = _wheel(house, "manylinux_2_35_x86_64", f"{pinned()}+cuda")
    assert fitting(house, "x86_64", 41) == both


def test_a_folder_without_any_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no wheel of llama-cpp-python"):
        fitting(tmp_path)


def test_a_wheel_must_be_what_the_manifest_says(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "linux_x86_64")
    (tmp_path / SUMS).write_text(f"{wheelhouse.digest(wheel)}  {wheel.name}\n")
    assert fitting(tmp_path, "x86_64", 41) == wheel
    wheel.write_text("another")
    with pytest.raises(SetupError, match="is not the file that"):
        fitting(tmp_path, "x86_64", 41)


def test_a_copy_stays_in_the_cache_under_its_key(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    wheel = _wheel(tmp_path, "linux_x86_64")
    key = wheelhouse.key(wheel)
    kept = wheelhouse.keep(cache, wheel)
    wheel.unlink()
    assert wheelhouse.is_key(key)
    assert llama_wheel.kept(cache, key) == kept
    assert kept.name == wheel.name
    assert kept.read_text() == "linux_x86_64"


def test_no_build_of_ours_has_such_a_key() -> None:
    assert not wheelhouse.is_key(llama_wheel.recipe("", {}).key)
