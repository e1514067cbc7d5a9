"""requirements.lock has all that edge_rt needs on each machine, within pyproject.toml's bounds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from bootstrap.venv import UNUSED
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
BUILT = "llama-cpp-python"  # compiled, by tools/llama_cpp_python.txt
MACHINES = [
    {
        "python_version": version,
        "python_full_version": f"{version}.4",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine,
        "extra": "",
    }
    for version in ("3.10", "3.11", "3.12", "3.13")
    for machine in ("x86_64", "aarch64")
]


def wanted() -> list[Requirement]:
    """The dependencies of pyproject.toml; a list of TOML without tables is one of Python."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^dependencies = (\[.*?^\])", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return [Requirement(line) for line in ast.literal_eval(found[1])]


def locked() -> dict[Requirement, list[str]]:
    """The requirements of the lock with their hashes."""
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    rows = [line for line in lines if line and not line.lstrip().startswith("#")]
    return {Requirement(row.split(" --hash=")[0]): row.split(" --hash=")[1:] for row in rows}


def on(machine: dict[str, str], found: list[Requirement]) -> Iterator[tuple[str, Requirement]]:
    for one in found:
        if one.marker is None or one.marker.evaluate(machine):
            yield canonicalize_name(one.name), one


@pytest.mark.parametrize(
    "machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['platform_machine']}"
)
def test_each_machine_gets_one_version_of_each_package_within_the_bounds(
    machine: dict[str, str],
) -> None:
    rows = list(on(machine, list(locked())))
    versions = dict(rows)
    assert len(versions) == len(rows)
    needs = [Requirement(line) for line in requires(BUILT) or []]
    for name, need in on(machine, [*wanted(), *needs]):
        if name != BUILT:
            [version] = [spec.version for spec in versions[name].specifier]
            assert version in need.specifier, f"{need}: run uv as the lock says"


def test_each_package_has_hashes_and_none_a_place() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    for one, hashes in locked().items():
        assert [spec.operator for spec in one.specifier] == ["=="], one
        assert hashes, one
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found.strip()) for found in hashes), one


def test_what_is_compiled_and_what_is_never_loaded_is_not_fetched() -> None:
    assert not {BUILT, *UNUSED} & {canonicalize_name(one.name) for one in locked()}
    assert "--hash=sha256:" in (ROOT / "tools/llama_cpp_python.txt").read_text()
