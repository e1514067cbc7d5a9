"""`tools/test --vm`, second part: edge_rt as a service of a guest whose power is cut."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from bootstrap.venv import Venv
from installlib.source import Checkout

from vm import debian, image, machine, wheels
from vm.kernel import Kernel
from vm.machine import Guest
from vm.survival import Kept, judge
from vm.verdict import Told, Verdict, console_end

CUTS = 10
LIMIT_S = 900.0  # of one boot; a loaded machine emulates many times slower than an idle one
LOAD_S = (1.0, 90.0)  # before a cut
PORTABLE = "-DGGML_NATIVE=OFF"  # no instructions that an emulated processor lacks
PROBE = "edge_rt_vm.probe"

_LOOK_S = 0.2
_HARDWARE = ("-m", "2048", "-smp", "2")


def make_disk(
    venv: Venv, cache: Path, built: Kernel, models: Path, scratch: Path, log: Path
) -> Path:
    """The disk with edge_rt, in `scratch`. Raises SetupError."""
    base = debian.find(cache) or debian.make(cache, log)
    llama = Checkout(PORTABLE).llama(venv.python, log)
    needed = wheels.collect(venv.python, cache, llama, debian.python_of(base), log)
    with tempfile.TemporaryDirectory(dir=cache, prefix="vm-tree-") as place:
        tree = Path(place, "tree")
        run_logged(["cp", "--archive", "--reflink=auto", str(base), str(tree)], log)
        run_logged(["cp", "--recursive", str(needed), str(tree / "wheels")], log)
        wheels.edge_rt(venv.python, tree / "wheels", log)
        image.root(tree, scratch / "root.img", models, built.modules, log)
    return scratch / "root.img"


def run(guest: Guest, disk: Path, scratch: Path, log: Path, cuts: int = CUTS) -> Verdict:
    """Boot, have it used, cut the power, and again; judge all that the guests have told."""
    state, verdict, kept = scratch / "state.img", Verdict(), Kept()
    image.state(state, log)
    drives = [
        *("-drive", f"file={disk},if=virtio,format=raw,readonly=on"),
        *("-drive", f"file={state},if=virtio,format=raw,cache=writethrough"),
    ]
    for number in range(cuts + 1):
        console, answers = scratch / f"console-{number}", scratch / f"answers-{number}"
        said = f"quiet loglevel=4 systemd.journald.forward_to_console=1{f' {PROBE}' * (not number)}"
        hardware = [*_HARDWARE, *drives]
        argv = machine.command(guest, console, answers, "vm.guest.boot", said, hardware)
        with Progress(f"Boot {number + 1} of {cuts + 1}"):
            told = _power(argv, Told(answers), _load_s(number, cuts))
        judge(number, told, kept, verdict)
        kept.take(told, time.monotonic())
        if verdict.problems:
            verdict.problems.append(console_end(console.read_text(errors="replace")))
            return verdict
    _judge_disk(state, log, verdict)
    return verdict


def _load_s(number: int, cuts: int) -> float:
    """Return the time at work before the cut; that of the first lasts until its figures settle."""
    if number in (0, cuts):
        return 0.0 if number else LOAD_S[1]
    return random.Random(number).uniform(*LOAD_S)


def _power(argv: list[str], told: Told, load_s: float) -> Told:
    """Let a guest run until it has told what it must, and a while longer; then it has no power."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + LIMIT_S
            while process.poll() is None and time.monotonic() < until:
                if not told.is_whole and told.read().is_whole:
                    until = time.monotonic() + load_s
                if told.read().failed:
                    break
                time.sleep(_LOOK_S)
        finally:
            process.kill()
    return told.read()


def _judge_disk(state: Path, log: Path, verdict: Verdict) -> None:
    """The file system itself, after its journal was replayed a last time."""
    replayed = subprocess.run(["e2fsck", "-p", str(state)], capture_output=True, check=False)
    if replayed.returncode > 1:
        verdict.problems.append(f"e2fsck cannot mend the disk: {replayed.stdout!r}")
    try:
        run_logged(["e2fsck", "-fn", str(state)], log)
    except SetupError as error:
        verdict.problems.append(f"The disk is damaged:\n{error}")
