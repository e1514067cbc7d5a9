"""Our readers against the drivers of a Linux of its own, under QEMU."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from vm import run
from vm.plan import PLAN


@pytest.mark.skipif(platform.machine() != "x86_64", reason="Debian builds i2c-stub for x86-64")
def test_what_is_read_is_what_the_kernel_s_drivers_read(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    built = run.prepare(cache, log, root=True)
    guest = run.make_guest(built, Path(sys.executable), tmp_path, log)
    verdict = run.read_chips(guest, tmp_path)
    assert not verdict.problems, "\n".join([*verdict.lines, *verdict.problems])
    passed = [line.partition("  ")[2].strip() for line in verdict.lines if line.startswith("ok ")]
    assert passed == list(PLAN)
