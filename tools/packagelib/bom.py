"""What is shipped and under which licences: as CycloneDX, and as Debian's copyright file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import Distribution
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packagelib.target import Target
from packagelib.tree import name_of, needed

OURS = "edge-rt"
# Compiled into a wheel whose own data does not name it.
_INSIDE = {"llama-cpp-python": {"name": "llama.cpp", "licence": "MIT"}}


def sbom(packages: Sequence[Distribution], target: Target, when: int) -> dict[str, Any]:
    """The document of CycloneDX 1.6 for `packages`; `when` is the time of the build in seconds."""
    refs = {name_of(each): _purl(each) for each in packages}
    ours = next(each for each in packages if name_of(each) == OURS)
    said = f"{ours.version} {target.arch} {target.python} {sorted(refs.values())}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, said)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(when, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": _component(ours) | {"type": "application"},
        },
        "components": [_component(each) for each in packages if each is not ours],
        "dependencies": [
            {
                "ref": _purl(each),
                "dependsOn": [refs[name] for name in needed(each, target) if name in refs],
            }
            for each in packages
        ],
    }


def copyright_file(packages: Sequence[Distribution]) -> str:
    """Debian's machine-readable copyright file, a paragraph for each licence."""
    by_licence: dict[str, list[Distribution]] = {}
    for each in packages:
        by_licence.setdefault(licence(each), []).append(each)
    lines = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: edge_rt",
        "Comment: The packages' own texts are below /opt/edge-rt, in folders named *.dist-info.",
        " The licence of Apache-2.0 is in /usr/share/common-licenses/Apache-2.0.",
        "",
        "Files: *",
        "Copyright: 2026 the authors of edge_rt",
        "License: Apache-2.0",
    ]
    for words, those in sorted(by_licence.items()):
        files = [f" opt/edge-rt/lib/*/{_folder(each)}/*" for each in those if name_of(each) != OURS]
        if files:
            lines += ["", "Files:", *files, "Copyright: the authors of these packages"]
            lines += [f"License: {words}"]
    return "\n".join(lines) + "\n"


def licence(package: Distribution) -> str:
    """The licence as the package names it, best as an expression of SPDX; "unknown" without."""
    lines = package.metadata.get_all("Classifier") or ()
    named = [line.split(" :: ")[-1] for line in lines if "License" in line]
    short = _field(package, "License")
    found = _field(package, "License-Expression") or ("" if "\n" in short else short)
    return found or " and ".join(named) or "unknown"


def _field(package: Distribution, name: str) -> str:
    return (package.metadata.get_all(name) or [""])[0].strip()


def _component(package: Distribution) -> dict[str, Any]:
    spdx = _field(package, "License-Expression")
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": name_of(package),
        "version": package.version,
        "purl": _purl(package),
        "licenses": [{"expression": spdx} if spdx else {"license": {"name": licence(package)}}],
    }
    if inner := _INSIDE.get(name_of(package)):
        inside = {"type": "library", "name": inner["name"]}
        made["components"] = [inside | {"licenses": [{"expression": inner["licence"]}]}]
    return made


def _purl(package: Distribution) -> str:
    return f"pkg:pypi/{name_of(package)}@{package.version}"


def _folder(package: Distribution) -> str:
    return f"{name_of(package).replace('-', '_')}*"
