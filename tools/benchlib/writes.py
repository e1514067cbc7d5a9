"""What is written: by the count of the processes that write, and by that of the disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SECTOR = 512  # bytes, whatever the disk's own are
_DISK_BYTES = 2 << 30  # of a file that takes as much only as is written to it
# All that ext4 would else write later by itself is written at once.
_MAKE = ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0")


@dataclass(frozen=True)
class Written:
    """Bytes so far: those that processes gave to the kernel for a disk, and those that went to the
    disk with the file system's own; None where nobody counts them.
    """

    process: int
    disk: int | None

    def since(self, before: Written) -> Written:
        """Return what was written in between."""
        disk = None if self.disk is None or before.disk is None else self.disk - before.disk
        return Written(self.process - before.process, disk)


@contextmanager
def own_disk(directory: Path) -> Generator[Path | None]:
    """An ext4 of its own in a file, mounted while the block runs; None where only root may."""
    image, place = directory / "image", directory / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_DISK_BYTES)
    if not (_done(*_MAKE, image) and _done("mount", "-o", "loop", image, place)):
        yield None
        return
    try:
        yield place
    finally:
        _done("umount", "--lazy", place)


def written(pids: Iterable[int], place: Path | None, proc: Path = Path("/proc")) -> Written:
    """Return the bytes that processes wrote, and the disk at `place` if it is one of its own.

    What the kernel has still in memory is brought to the disk first.
    """
    process = sum(_process_bytes(proc / str(pid) / "io") for pid in pids)
    if place is None:
        return Written(process, None)
    os.sync()
    device = place.stat().st_dev
    stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text()
    return Written(process, int(stat.split()[6]) * _SECTOR)


def _process_bytes(file: Path) -> int:
    with suppress(OSError):  # it has just ended
        for line in file.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    return 0


def _done(*words: str | Path) -> bool:
    try:
        return subprocess.run(words, capture_output=True).returncode == 0
    except OSError:
        return False
