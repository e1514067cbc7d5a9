from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap.oldest import oldest

ROOT = Path(__file__).parents[2]


def test_lower_bounds_become_versions() -> None:
    project = """\
dependencies = [
    "click>=8.2,<9",
    "llama-cpp-python==0.3.36",
    "uvicorn>=0.54,<0.55",  # a word
]

[project.optional-dependencies]
convert = ["gguf>=0.17,<1", "onnx>=1.17,<2"]
docs = ["mkdocs>=1.6,<2"]
"""
    assert oldest(project) == (
        *("click==8.2", "llama-cpp-python==0.3.36", "uvicorn==0.54"),
        *("gguf==0.17", "onnx==1.17"),
    )


@pytest.mark.parametrize("line", ["click", "click<9", "click~=8.2", "click[x]>=8"])
def test_a_dependency_without_a_lower_bound_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="from which version"):
        oldest(f'dependencies = [\n    "{line}",\n]\n')


def test_each_dependency_of_edge_rt_has_one() -> None:
    names = {pin.split("==")[0] for pin in oldest((ROOT / "pyproject.toml").read_text())}
    assert {"click", "llama-cpp-python", "uvicorn", "gguf", "onnx"} <= names
