"""Whether a GPU is used, by which code, and what one lacks that is not found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patients import Patient, commands

from edge_rt.cli.doctor.check_installation import check_gpu
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.core.reports.finding import Finding

CARD = {"name": "A card", "backend": "Vulkan", "shared": False, "simulated": False}
CARD |= {"total_bytes": 8 << 30, "free_bytes": 6 << 30}
LAVAPIPE = CARD | {"name": "llvmpipe", "shared": True, "simulated": True}


@pytest.fixture
def says(patient: Callable[..., Patient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what is found with such code and devices; the daemon tells these GPUs, None: none."""

    def find(
        gpus: list[dict[str, Any]] | None = None, code: str = "", layers: int = 0, node: str = ""
    ) -> list[Finding]:
        board = patient("x86")
        libraries = tmp_path / "lib"
        libraries.mkdir()
        for name in ("cpu", *code.split()):
            (libraries / f"libggml-{name}.so").touch()
        if node:
            path = board.root / "dev" / node
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        board.paths.config_file.write_text(f"engine:\n  gpu_layers: {layers}\n")
        status = None if gpus is None else {"engine": {"gpus": gpus}}
        monkeypatch.setattr(ExaminedMachine, "ask", lambda machine, path: status)
        return board.says(check_gpu, libraries=libraries)

    return find


def test_each_gpu_is_told_with_its_memory_and_what_simulates_it(says) -> None:
    card, lavapipe = says([CARD, LAVAPIPE], "vulkan")
    assert (card.level, card.what) == ("ok", "A card by Vulkan, 6.00 GiB of 8.00 GiB free")
    assert lavapipe.what == "llvmpipe by Vulkan, with the board's memory, simulated by the CPU"


@pytest.mark.parametrize(("node", "args"), [("nvidia0", "CUDA"), ("dri/renderD128", "VULKAN")])
def test_layers_for_a_gpu_without_code_for_one_are_a_problem(says, node: str, args: str) -> None:
    (found,) = says([], layers=9, node=node)
    assert (found.level, node in found.what) == ("problem", True)
    assert f"-DGGML_{args}=on" in commands([found])


def test_without_code_and_layers_there_is_nothing_to_mend(says) -> None:
    (found,) = says([])
    assert (found.level, "no /dev/dri/render*" in found.what) == ("ok", True)


@pytest.mark.parametrize(("layers", "level"), [(0, "note"), (9, "problem")])
def test_code_that_finds_no_gpu_is_told_with_what_its_user_needs(
    says, layers: int, level: str
) -> None:
    (found,) = says([], "vulkan cuda", layers, "dri/renderD128")
    assert (found.level, "CUDA and Vulkan" in found.what) == (level, True)
    assert "groups video and render" in commands([found])


def test_while_no_daemon_answers_only_the_code_is_known(says) -> None:
    (found,) = says(None, "vulkan", 9)
    assert (found.level, "has code for Vulkan" in found.what) == ("note", True)
