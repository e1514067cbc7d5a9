"""The front process stays free of native libraries, and every room has its contract."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import edge_rt

PACKAGE = Path(edge_rt.__file__).parent
NATIVE = {"llama_cpp", "llguidance", "numpy", "onnxruntime", "tokenizers"}
ENGINE_SIDE = {
    "backends",
    "decoding",
    "engine",
    "speech",
}  # the front loads what it needs of them itself
FRONT_SIDE = {"supervisor", "companion"}  # of those

PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def front_modules() -> list[str]:
    """Every module of the rooms that run in the front process."""
    files = [path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py")]
    names = [path.with_suffix("").parts for path in files if not path.name.startswith("__")]
    return sorted(
        ".".join(name) for name in names if name[1] not in ENGINE_SIDE or name[2] in FRONT_SIDE
    )


def test_the_front_process_loads_no_native_library() -> None:
    modules = front_modules()
    assert {"edge_rt.cli.main", "edge_rt.server.server"} <= set(modules)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *modules], stdout=subprocess.PIPE, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "starlette" in loaded
    assert not loaded & NATIVE


def test_what_few_requests_need_is_loaded_when_they_come() -> None:
    modules = "edge_rt.api.app", "edge_rt.server.container", "edge_rt.server.server"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *modules], stdout=subprocess.PIPE, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"httpx", "prometheus_client", "rich", "smbus2"}


def test_every_room_is_the_subject_of_a_contract() -> None:
    text = (PACKAGE.parent / "pyproject.toml").read_text()
    sources = "".join(re.findall(r"source_modules = \[(.*?)\]", text, re.DOTALL))
    rooms = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [room for room in rooms if f'"edge_rt.{room}"' not in sources] == []


def test_onnxruntime_is_imported_in_one_place() -> None:
    """Before which its telemetry is switched off; see edge_rt/backends/__init__.py."""
    root = PACKAGE.parent
    files = [path for room in ("edge_rt", "tests", "tools") for path in (root / room).rglob("*.py")]
    found = [
        path
        for path in files
        if re.search(r"^\s*(import|from) onnxruntime\b", path.read_text(), re.MULTILINE)
    ]
    assert [str(path.relative_to(root)) for path in found] == ["edge_rt/backends/onnx/session.py"]
