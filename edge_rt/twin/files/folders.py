"""Where the files of a simulated board lie: device folders and the links of their classes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from edge_rt.errors import StoreError

MARK = ".edge-rt-twin"
_PARTS = ("sys", "proc", "dev", "etc")


class Folders:
    """A root with `sys`, `proc`, `dev` and `etc` below it, laid out as the kernel does."""

    def __init__(self, root: Path) -> None:
        """`root` is made; what an earlier twin left there is removed, else it must be empty."""
        self.root = root
        self.sysfs, self.proc, self.dev, self.etc = (root / part for part in _PARTS)
        self._numbers: dict[str, int] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            if any(root.iterdir()) and not (root / MARK).exists():
                raise StoreError(f"{root} is not empty: name a new directory for the tree")
            (root / MARK).touch()
            for part in _PARTS:
                shutil.rmtree(root / part, ignore_errors=True)
                (root / part).mkdir()
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"no tree can be made in {root}: {error}") from error

    def remove(self) -> None:
        """Take the tree away: files of a board that is off would look like one that runs."""
        for part in _PARTS:
            shutil.rmtree(self.root / part, ignore_errors=True)
        (self.root / MARK).unlink(missing_ok=True)

    def write(self, folder: Path, files: Mapping[str, object]) -> Path:
        """Files of one line that do not change, made with their folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(f"{content}\n")
        return folder

    def link(self, place: Path, target: Path) -> None:
        """A link within the tree, which may be moved as a whole."""
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(target, place.parent))

    def number(self, kind: str) -> int:
        """The next free number of a class."""
        self._numbers[kind] = self._numbers.get(kind, -1) + 1
        return self._numbers[kind]

    def numbered(self, kind: str) -> Path:
        """The next folder of a class, such as class/thermal/thermal_zone0."""
        room = {"thermal_zone": "thermal", "cooling_device": "thermal"}[kind]
        return self.sysfs / "class" / room / f"{kind}{self.number(kind)}"

    def i2c(self, place: str, driver: str) -> Path:
        """The folder of the chip at "BUS-ADDRESS", which `driver` owns."""
        bus = place.partition("-")[0]
        device = self.sysfs / "devices" / "platform" / f"i2c-{bus}" / place
        drivers = self.sysfs / "bus" / "i2c" / "drivers" / driver
        for folder in (device, drivers):
            folder.mkdir(parents=True, exist_ok=True)
        self.write(device, {"name": driver})
        self.link(self.sysfs / "bus" / "i2c" / "devices" / place, device)
        self.link(drivers / place, device)
        self.link(device / "driver", drivers)
        return device

    def hwmon(self, name: str, files: Mapping[str, object], device: Path | None = None) -> Path:
        """A hwmon device with `files` that do not change."""
        number = self.number("hwmon")
        parent = device or self.sysfs / "devices" / "virtual"
        folder = self.write(parent / "hwmon" / f"hwmon{number}", {"name": name, **files})
        if device is not None:
            self.link(folder / "device", device)
        self.link(self.sysfs / "class" / "hwmon" / f"hwmon{number}", folder)
        return folder
