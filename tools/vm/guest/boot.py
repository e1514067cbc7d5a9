"""The first process of a guest whose root is a disk: hand over to the systemd on it."""

from __future__ import annotations

import os
from pathlib import Path

from vm.guest import syscalls
from vm.plan import DISK_MODULES

ROOT = "/disk"


def main() -> None:
    """Does not return."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        syscalls.mount(kind, place)
    for name in DISK_MODULES:
        syscalls.load(Path("/modules", f"{name}.ko"))
    syscalls.mount("ext4", ROOT, "/dev/vda", syscalls.READ_ONLY)
    for place in ("/proc", "/sys", "/dev"):
        syscalls.move(place, f"{ROOT}{place}")
    os.chdir(ROOT)
    syscalls.move(".", "/")
    os.chroot(".")
    os.execv("/usr/sbin/init", ["/usr/sbin/init"])


if __name__ == "__main__":
    main()
