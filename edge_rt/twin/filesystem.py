"""Files and folders of a simulated board, some of which change while others read them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_rt.core.errors import StoreError
from edge_rt.twin.plant import PlantState

MARK = ".edge-rt-twin"
_PARTS = ("sys", "proc", "dev", "etc")
_WIDTH = 16  # bytes; every number fits, so that the length of a file does not change


class SysfsTree:
    """Writes files and links as the kernel lays them out below `sysfs`."""

    def __init__(self, sysfs: Path) -> None:
        self.sysfs = sysfs
        self._numbers: dict[str, int] = {}

    def write(self, folder: Path, files: Mapping[str, object]) -> Path:
        """Files of one line that do not change, made with their folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(f"{content}\n")
        return folder

    def link(self, place: Path, target: Path) -> None:
        """Make a link within the tree, which may be moved as a whole."""
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(target, place.parent))

    def number(self, kind: str) -> int:
        """Return the next free number of a class."""
        self._numbers[kind] = self._numbers.get(kind, -1) + 1
        return self._numbers[kind]

    def i2c(self, place: str, driver: str) -> Path:
        """Return the folder of the chip at "BUS-ADDRESS", which `driver` owns."""
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
        """Return a hwmon device with `files` that do not change."""
        number = self.number("hwmon")
        parent = device or self.sysfs / "devices" / "virtual"
        folder = self.write(parent / "hwmon" / f"hwmon{number}", {"name": name, **files})
        if device is not None:
            self.link(folder / "device", device)
        self.link(self.sysfs / "class" / "hwmon" / f"hwmon{number}", folder)
        return folder


class Folders(SysfsTree):
    """A root with `sys`, `proc`, `dev` and `etc` below it, laid out as the kernel does."""

    def __init__(self, root: Path) -> None:
        """`root` is made; what an earlier twin left there is removed, else it must be empty."""
        self.root = root
        sysfs, self.proc, self.dev, self.etc = (root / part for part in _PARTS)
        super().__init__(sysfs)
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

    def numbered(self, kind: str) -> Path:
        """Return the next folder of a class, such as class/thermal/thermal_zone0."""
        room = {"thermal_zone": "thermal", "cooling_device": "thermal"}[kind]
        return self.sysfs / "class" / room / f"{kind}{self.number(kind)}"


class NumberFile:
    """A file of one number, written in place at one width, padded with spaces.

    Readers may keep it open, as they keep files of sysfs open. So few bytes are copied at once in
    practice; replacing the file would cost both sides several times as much.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._shown: bytes | None = None

    def put(self, value: str) -> None:
        """Show `value`; costs nothing where it is shown already."""
        data = value.encode().ljust(_WIDTH - 1) + b"\n"
        if data == self._shown:
            return
        if self._fd < 0:
            self._create(data)
        else:
            os.pwrite(self._fd, data, 0)
        self._shown = data

    def taken(self) -> int | None:
        """Return the number that somebody else has put in the file since; None where nobody has."""
        if self._fd < 0:
            return None
        data = os.pread(self._fd, 64, 0)
        words = data.split()
        if data == self._shown or not words or not words[0].isdigit():
            return None
        self._shown = None  # so that the next `put` writes at full width
        return int(words[0])

    def refuse(self) -> None:
        """Let every attempt to read the file fail with ENXIO, until the next `put`.

        A driver says EAGAIN then; no ordinary file can, so a socket takes the file's place.
        """
        if not self.path.is_socket():
            self.close()
            self.path.unlink(missing_ok=True)
            os.mknod(self.path, stat.S_IFSOCK | 0o444)

    def close(self) -> None:
        """Close the file; the next `put` makes a new one."""
        fd, self._fd, self._shown = self._fd, -1, None
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        """Close the file of a board that is gone."""
        self.close()

    def _create(self, data: bytes) -> None:
        # Under another name first, so that nobody finds it empty.
        spare = self.path.with_name(f".{self.path.name}")
        self._fd = os.open(spare, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.pwrite(self._fd, data, 0)
        spare.replace(self.path)


class TextFile:
    """A file of several lines, replaced as a whole so that they belong together."""

    def __init__(self, path: Path) -> None:
        self.path, self._spare = path, path.with_name(f".{path.name}")
        self._shown: str | None = None

    def put(self, text: str) -> None:
        """Show `text`, which ends in a newline."""
        if text == self._shown:
            return
        self._spare.write_text(text)
        self._spare.replace(self.path)
        self._shown = text


@dataclass(frozen=True)
class ShownFile:
    """A file, and what it shows of a state: a text, a number to be rounded, or None: no read works.

    Only a number may be None.
    """

    file: NumberFile | TextFile
    value: Callable[[PlantState], str | float | None]

    def show(self, state: PlantState) -> None:
        """Bring the file up to date."""
        value = self.value(state)
        if value is None:
            assert isinstance(self.file, NumberFile)
            self.file.refuse()
        else:
            self.file.put(value if isinstance(value, str) else str(round(value)))
