"""tools/package, with small wheels in the place of real ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from bootstrap import SetupError
from packagelib import bom, control, deb, tree
from packagelib.command import gather
from packagelib.target import Target

BOARD = Target("arm64", "3.13")
OTHER = "3.10" if sys.version_info >= (3, 11) else "3.11"  # than runs this, and that of the board
WHEELS = {
    "edge_rt-0.2.0-py3-none-any": [
        *("llama-cpp-python", "huggingface-hub"),
        f'old; python_version == "{OTHER}"',
    ],
    "huggingface_hub-2.4-py3-none-any": [],
    "llama_cpp_python-0.3-py3-none-linux_aarch64": [],
    "pip-25.0-py3-none-any": [],
}
NAMES = ("PATH", "HOME")

Build = Callable[[Target, str], Path]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with what edge_rt would need on an arm64 board, if it were small."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for stem, needs in WHEELS.items():
        name, version, tag = stem.split("-", 2)
        told = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
        told += "".join(f"Requires-Dist: {each}\n" for each in needs)
        info = f"{name}-{version}.dist-info"
        with ZipFile(folder / f"{stem}.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}/native.so", b"\0GLIBC_2.17\0GLIBC_2.34\0GLIBCXX_3.4.30\0")
            wheel.writestr(f"{info}/METADATA", told)
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def build(tmp_path: Path, wheels: Path) -> Build:
    """Makes a package of it in a folder of its own."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")

    def made(target: Target, name: str) -> Path:
        scratch = tmp_path / name
        scratch.mkdir()
        env = {key: os.environ[key] for key in NAMES} | {"SOURCE_DATE_EPOCH": "1700000000"}
        log = tmp_path / "log"
        return deb.build(scratch, wheels, scratch / "out", target, log, env)

    return made


def fields(package: Path, *names: str) -> list[str]:
    words = ["dpkg-deb", "--field", str(package), *names]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return [line.partition(": ")[2] for line in said.splitlines()]


def test_a_package_for_another_processor_is_the_same_each_time(build: Build) -> None:
    first, second = build(BOARD, "first"), build(BOARD, "second")
    assert first.name == "edge-rt_0.2.0-1+py3.13_arm64.deb"
    assert first.read_bytes() == second.read_bytes()
    assert fields(first, "Architecture", "Depends") == [
        "arm64",
        "python3, python3.13, libc6 (>= 2.34), libgomp1, libstdc++6 (>= 12), systemd",
    ]
    listed = subprocess.run(["dpkg-deb", "-c", first], capture_output=True, text=True, check=True)
    for line in (
        "./opt/edge-rt/bin/python3 -> /usr/bin/python3.13",
        "./opt/edge-rt/bin/pip",
        "./usr/bin/edge-rt -> /opt/edge-rt/bin/edge-rt",
        "./usr/lib/systemd/system/edge-rt.service",
        "./usr/share/man/man1/edge-rt-run.1.gz",
        "./usr/share/bash-completion/completions/edge-rt",
        "./etc/edge-rt/config.yaml",
    ):
        assert f"{line}\n" in listed.stdout
    assert "huggingface" not in listed.stdout, "which nothing loads"
    owners = {line.split()[1] for line in listed.stdout.splitlines()}
    assert owners == {"root/root"}


def test_what_a_wheel_needs_on_the_target_must_be_there(build: Build, wheels: Path) -> None:
    with pytest.raises(SetupError, match=f"lacks old for Python {OTHER}"):
        build(Target("arm64", OTHER), "older")
    with pytest.raises(SetupError, match="no wheel of llama-cpp-python for x86_64"):
        gather(wheels / "new", wheels, Target("amd64", "3.13"), wheels / "log")


def test_versions_sort_as_releases_do() -> None:
    named = [
        control.debian_version(version, BOARD)
        for version in ("0.1.0", "0.2.0.dev3", "0.2.0rc1", "0.2.0", "0.10.0")
    ]
    assert named[1] == "0.2.0~dev3-1+py3.13"
    if shutil.which("dpkg"):
        for older, newer in pairwise(named):
            subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)


def test_libraries_without_requirements_need_none(tmp_path: Path) -> None:
    (tmp_path / "plain.so").write_bytes(b"nothing")
    assert deb.native_needs(tmp_path) == ["libgomp1"]


def test_the_list_of_parts_is_valid_cyclonedx_and_names_all_licences() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    here = sorted({tree.name_of(each): each for each in distributions()}.items())
    packages = [package for _, package in here]
    said = bom.sbom(packages, BOARD, 1700000000)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(said)) is None
    numpy = next(each for each in said["components"] if each["name"] == "numpy")
    assert numpy["purl"].startswith("pkg:pypi/numpy@")
    # The numpy of Python 3.10 names it in words.
    licence = "BSD-3-Clause" if sys.version_info >= (3, 11) else "BSD License"
    assert licence in json.dumps(numpy["licenses"])
    needs = {each["ref"].partition("@")[0]: each["dependsOn"] for each in said["dependencies"]}
    assert numpy["bom-ref"] in needs["pkg:pypi/edge-rt"]
    assert "unknown" not in {bom.licence(each) for each in packages}
