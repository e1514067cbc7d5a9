from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest
from benchlib.moved import move, moved


@pytest.mark.parametrize("path", ["/sys", "/sys/class", "/proc/stat", "/dev/i2c-1", "/etc/x.conf"])
def test_paths_of_the_board_are_moved(path: str) -> None:
    assert ast.unparse(moved(f"open({path!r})", "/root")) == f"open('/root{path}')"


@pytest.mark.parametrize("text", ["/system", "/run/x", "sys/class", "in /sys", "/fake_sys/x", 7])
def test_all_else_is_left_alone(text: object) -> None:
    assert ast.unparse(moved(f"f({text!r})", "/root")) == f"f({text!r})"


def test_the_fixed_part_of_a_formatted_path_is_moved() -> None:
    assert ast.unparse(moved("f'/sys/cpu{n}/online'", "/root")) == "f'/root/sys/cpu{n}/online'"


def test_a_moved_package_reads_below_the_root_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("moved_one", "unmoved_one"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "part.py").write_text("PLACE = '/sys/class'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    move("moved_one", Path("/root"))
    assert importlib.import_module("moved_one.part").PLACE == "/root/sys/class"
    assert importlib.import_module("unmoved_one.part").PLACE == "/sys/class"
