"""For what a package is made: an architecture, and a version of Python."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from bootstrap.wheelhouse import platforms

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # as Debian and as Python call them


@dataclass(frozen=True)
class Target:
    """An architecture of Debian, such as "arm64", and a version of Python, such as "3.13"."""

    arch: str
    python: str

    @property
    def machine(self) -> str:
        """The architecture as Python calls it, such as "aarch64"."""
        return MACHINES[self.arch]

    def pip_options(self) -> list[str]:
        """Options with which pip takes wheels for this target alone."""
        python = f"--python-version={self.python}"
        return ["--only-binary=:all:", python, *platforms(self.machine)]

    def markers(self) -> dict[str, str]:
        """The environment in which the conditions of requirements are judged."""
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_machine": self.machine,
            "extra": "",
        }


def this_arch() -> str:
    """The architecture of this machine, or of most boards where no package is for it."""
    return {machine: arch for arch, machine in MACHINES.items()}.get(platform.machine(), "arm64")
