"""What other packages add by entry points is found, works, and breaks nothing where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRIES = """
[edge_rt.backends]
toy = edge_rt_extra.backend
broken = edge_rt_extra.nowhere

[edge_rt.gates]
vowels = edge_rt_extra.gate:Vowels
ead = edge_rt_extra.gate:Vowels
broken = edge_rt_extra.gate:broken

[edge_rt.readers]
broken = edge_rt_extra.nowhere:Reader
"""

GATE = """
from edge_rt.decoding.gate import Gate, GateVerdict


class Vowels(Gate):
    def __init__(self, gating, seed):
        self.threshold = 0.5 if gating.threshold is None else gating.threshold
        self.seed = seed

    def judge(self, writer, seen):
        return GateVerdict(take=True, then=writer)


def broken(gating, seed):
    return None
"""

BACKEND = """
class Toy:
    vocab = 7


def make_backend(spec, threads):
    if spec.kind != "language":
        raise OSError("no such kind")
    return Toy()


def open_vocabulary(path):
    return path.name
"""


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    """A folder of installed packages: that of `edge_rt_extra`, as pip leaves it."""
    package, info = tmp_path / "edge_rt_extra", tmp_path / "edge_rt_extra-1.2.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").touch()
    (package / "gate.py").write_text(GATE)
    (package / "backend.py").write_text(BACKEND)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-rt-extra\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return tmp_path


def said(extra: Path, program: str) -> list[str]:
    """Lines that `program` prints where the package is installed."""
    env = os.environ | {"PYTHONPATH": str(extra)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_gate_of_another_package_decides(extra: Path) -> None:
    program = """
from edge_rt.core.routing import DecodingRequest
from edge_rt.decoding.make_gate import make_gate
from edge_rt.core.decoding import (Gating, gates)
from edge_rt.core.errors import RequestError
from edge_rt.models.pair import Pair
from edge_rt.routing.decoding_options import check_mode

print(*gates()[-3:])
gate = make_gate(Gating("vowels", threshold=2.5), 7)
print(type(gate).__name__, gate.threshold, gate.seed)
print(type(make_gate(Gating("vowels", share=0.3), 7)).__name__)
print(type(make_gate(Gating("ead"), 7)).__name__)
print(Pair(large="a", small="b", mode="switch:vowels", large_share=0.2).gate)
check_mode(DecodingRequest("switch:vowels", threshold=1.0))
try:
    make_gate(Gating("broken"), 7)
except RequestError as error:
    print(error)
"""
    assert said(extra, program) == [
        "step vowels broken",
        "Vowels 2.5 7",
        "ShareControl",
        "EadGate",
        "vowels",
        "the package of the gate 'broken' does not work: NoneType is no Gate. "
        "Have it mended, or choose another gate.",
    ]


def test_a_backend_of_another_package_loads_models(extra: Path) -> None:
    program = """
from edge_rt.routing.identities import _packages as packages
from edge_rt.engine.protocol import ModelSpec
from edge_rt.engine.worker.loading import make_backend, open_vocabulary, versions
from edge_rt.core.errors import ModelFileError

print(make_backend(ModelSpec("toy", "model.toy", 8, 1), 2).vocab)
print(open_vocabulary("toy", "x/model.toy"))
print(versions()["toy"], *packages("toy"))
for backend, kind in (("toy", "tensors"), ("broken", "language"), ("none", "language")):
    try:
        make_backend(ModelSpec(backend, "model.toy", 8, 1, kind=kind), 2)
    except ModelFileError as error:
        print(error)
"""
    assert said(extra, program) == [
        "7",
        "model.toy",
        "1.2 edge-rt-extra",
        "the package of the backend 'toy' failed: no such kind",
        "broken models need edge_rt_extra.nowhere, which is not installed: "
        "pip install edge_rt_extra.nowhere",
        "this engine has no backend called 'none' for language models",
    ]


def test_a_reader_that_cannot_be_imported_is_skipped(extra: Path) -> None:
    program = f"""
from pathlib import Path
from edge_rt.board.discovery import discover
from edge_rt.board.profile import roots, wanted

found = discover(roots(Path({str(extra)!r})), wanted(None, Path({str(extra)!r}), {{}}))
print(*(skip.reason for skip in found.skipped if skip.name == "broken"))
"""
    assert said(extra, program) == [
        "its package does not work: ModuleNotFoundError: No module named 'edge_rt_extra.nowhere'"
    ]
