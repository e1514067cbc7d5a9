"""`tools/test --vm`, from what the machine has to the verdict."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.paths import CHECKOUT
from bootstrap.progress import Progress
from bootstrap.system import provide, refresh_lists
from bootstrap.venv import Venv

from vm import appliance, initramfs, kernel, machine
from vm.kernel import Kernel
from vm.machine import Guest
from vm.plan import PLAN
from vm.verdict import Verdict, judge

MODEL = "smollm2-135m-instruct"

LIMIT_S = 900.0  # a loaded machine emulates many times slower than an idle one


def check(venv: Venv, cache: Path) -> int:
    """Prepare, boot, print; 0 when every check passed. Raises SetupError."""
    log, root = cache / "logs/vm.log", os.geteuid() == 0
    built = prepare(cache, log, root=root)
    with tempfile.TemporaryDirectory(dir=cache, prefix="vm-run-") as scratch:
        guest = make_guest(built, venv.python, Path(scratch), log)
        code = report(read_chips(guest, Path(scratch)))
        if not root:
            raise SetupError("The second part makes a Debian root: sudo tools/test --vm")
        return report(_appliance(guest, venv, cache, built, Path(scratch))) or code


def _appliance(guest: Guest, venv: Venv, cache: Path, built: Kernel, scratch: Path) -> Verdict:
    log, models = cache / "logs/vm.log", scratch / "models"
    run_logged([str(venv.command("edge-rt")), "models", "pull", MODEL, "--store", str(models)], log)
    disk = appliance.make_disk(venv, cache, built, models, scratch, log)
    return appliance.run(guest, disk, scratch, log)


def report(verdict: Verdict) -> int:
    """Print a verdict; the exit code that it means."""
    print("\n".join(verdict.lines))
    for problem in verdict.problems:
        print(problem, file=sys.stderr)
    return 1 if verdict.problems else 0


def prepare(cache: Path, log: Path, *, root: bool) -> Kernel:
    """The kernel for the guest, and what else it needs; `root` may install that.

    Raises SetupError where something is missing or a step fails.
    """
    machine.check_machine()
    log.unlink(missing_ok=True)
    try:
        return _newest(cache, log, root)
    except SetupError:
        if not root:
            raise
    refresh_lists(log)  # they may be missing or old
    return _newest(cache, log, root)


def _newest(cache: Path, log: Path, root: bool) -> Kernel:
    release = kernel.newest()
    provide(machine.needs(release.compiler), log, root=root)
    return kernel.find(cache, release) or kernel.make(cache, release, log)


def make_guest(built: Kernel, program: Path, scratch: Path, log: Path) -> Guest:
    """The guest whose whole root is the Python `program`, the checkout and modules, in `scratch`.

    Raises SetupError.
    """
    python = initramfs.python_of(program)
    root, zones = scratch / "root.cpio", scratch / "zones"
    with root.open("wb") as target:
        initramfs.write(target, initramfs.files(python, CHECKOUT, built.modules))
    run_logged(["iasl", "-p", str(zones), str(CHECKOUT / "tools/vm/zones.asl")], log)
    return Guest(built.image, root, zones.with_suffix(".aml"), python.program)


def read_chips(guest: Guest, scratch: Path) -> Verdict:
    """Boot it to hold our readers against the kernel's drivers."""
    console, answers = scratch / "console", scratch / "answers"
    argv = machine.command(guest, console, answers)
    with Progress("Running the guest"):
        return judge(machine.run(argv, console, answers, LIMIT_S), PLAN)
