from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from bootstrap import SetupError, llama_wheel
from installlib.source import LOCK, Checkout, Wheels


@pytest.fixture
def checkout(cache: Path) -> Checkout:
    """This one, for which llama.cpp is built already."""
    env = {"PATH": os.environ["PATH"], "EDGE_RT_CACHE": str(cache)}
    built = cache / "wheels" / llama_wheel.recipe("-DX=1", env).key
    built.mkdir(parents=True)
    (built / "llama.whl").touch()
    return Checkout("-DX=1", env)


def test_a_checkout_is_copied_with_all_that_a_wheel_holds(
    checkout: Checkout, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    [[llama, tree]] = checkout.packages(Path(sys.executable), scratch, tmp_path / "log")
    assert Path(llama).name == "llama.whl"
    assert Path(tree).parent == scratch
    names = "pyproject.toml", "edge_rt/boards/raspberry-pi-5.yaml", "edge_rt/cli/entry.py"
    for name in (*names, "tools/edge_rt_convert/job.py"):
        copy = Path(tree) / name
        assert copy.is_file()
        assert not copy.parent.is_symlink()
    assert not list(Path(tree).rglob("*.pyc"))


def test_a_locked_checkout_takes_what_has_a_hash_of_the_lock(
    checkout: Checkout, tmp_path: Path
) -> None:
    locked = Checkout(checkout.cmake_args, checkout.env, locked=True)
    others, ours = locked.packages(Path(sys.executable), tmp_path, tmp_path / "log")
    assert others == ["--no-deps", "--require-hashes", "-r", str(LOCK)]
    assert ours[0] == "--no-deps"
    assert [Path(path).name for path in ours[1:]] == ["llama.whl", "tree"]
    assert locked.key() != checkout.key()


def test_another_build_of_llama_cpp_is_something_else(checkout: Checkout) -> None:
    assert checkout.key() == Checkout("-DX=1", checkout.env).key()
    assert checkout.key() != Checkout("", checkout.env).key()


def test_a_wheel_of_the_same_name_with_other_content_is_something_else(tmp_path: Path) -> None:
    file = tmp_path / "edge_rt-1-py3-none-any.whl"
    file.write_bytes(b"one")
    key = Wheels(tmp_path).key()
    assert Wheels(tmp_path).key() == key
    file.write_bytes(b"two")
    assert Wheels(tmp_path).key() != key


def test_wheels_for_another_python_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "numpy-2.0-cp39-cp39-linux_x86_64.whl").touch()
    (tmp_path / "msgspec-1-cp39-abi3-linux_x86_64.whl").touch()
    with pytest.raises(SetupError, match=r"wheels of cp39, and this Python is cp3"):
        Wheels(tmp_path).packages(Path(sys.executable), tmp_path, tmp_path / "log")


def test_a_built_llama_cpp_is_taken_instead_of_compiling(
    checkout: Checkout, tmp_path: Path
) -> None:
    wheel = tmp_path / "llama_cpp_python-1-py3-none-linux_x86_64.whl"
    wheel.write_bytes(b"one")
    built = Checkout(checkout.cmake_args, checkout.env, llama_built=wheel)
    [[llama, _]] = built.packages(Path(sys.executable), tmp_path, tmp_path / "log")
    assert llama == str(wheel)
    assert built.key() != checkout.key()
