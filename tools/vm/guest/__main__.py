"""The guest's first process: mount, load the modules, run the plan, power off.

Answers go to the second serial port, one JSON object a line; the last one says that all is told.
"""

from __future__ import annotations

import importlib
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from vm.guest import syscalls
from vm.plan import PLAN

_MODULES = (
    ("i2c-dev", ""),
    ("i2c-stub", "chip_addr=0x40,0x41,0x45,0x48"),
    ("ina3221", ""),
    ("ina238", ""),
    ("lm75", ""),
)


def main() -> None:
    """Run everything; the guest is off afterwards."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        syscalls.mount(kind, place)
    with Path("/dev/ttyS1").open("w", encoding="utf-8") as answers:
        try:
            _run(answers)
        except Exception:
            _say(answers, failed=traceback.format_exc())
    syscalls.power_off()


def _run(answers: TextIO) -> None:
    for name, parameters in _MODULES:
        syscalls.load(Path("/modules", f"{name}.ko"), parameters)
    # Not before, so that a failure here is told like any other.
    for module in ("ina3221", "others"):
        importlib.import_module(f"vm.guest.{module}")
    from vm.guest.check import CHECKS
    from vm.guest.stub import Chip

    chip, other = Chip(0x40), Chip(0x41)
    for name in PLAN:
        _say(answers, check=name, **_outcome(lambda name=name: CHECKS[name](chip, other)))
    _say(answers, done=len(PLAN))


def _outcome(check: Callable[[], str]) -> dict[str, object]:
    try:
        return {"passed": True, "detail": check()}
    except Exception:
        return {"passed": False, "detail": traceback.format_exc()}


def _say(answers: TextIO, **fields: object) -> None:
    answers.write(json.dumps(fields) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
