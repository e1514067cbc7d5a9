from __future__ import annotations

import os
from pathlib import Path

from vm import machine


def test_what_the_guest_wrote_is_kept(tmp_path: Path) -> None:
    console, answers = tmp_path / "console", tmp_path / "answers"
    argv = ["sh", "-c", f"echo booting > {console}; echo '{{}}' > {answers}"]
    assert machine.run(argv, console, answers, 60.0) == machine.Outcome("{}\n", "booting\n", True)


def test_a_guest_that_never_ends_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    argv = ["sh", "-c", f"exec 3> {tmp_path}/alive; exec sleep 600"]
    outcome = machine.run(argv, tmp_path / "console", tmp_path / "answers", 0.5)
    assert outcome == machine.Outcome("", "", False)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # nobody holds the other end any more
    os.close(reader)


def test_a_guest_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    outcome = machine.run(["false"], tmp_path / "console", tmp_path / "answers", 60.0)
    assert outcome == machine.Outcome("", "", True)


def test_the_guest_is_emulated_has_no_network_and_ends_on_a_panic(tmp_path: Path) -> None:
    guest = machine.Guest(*(tmp_path / name for name in ("vmlinuz", "root", "zones", "python")))
    argv = machine.command(guest, tmp_path / "console", tmp_path / "answers")
    assert argv[argv.index("-accel") + 1] == "tcg"
    assert "-nodefaults" in argv
    assert "-netdev" not in argv
    assert "-no-reboot" in argv
    assert "panic=-1" in argv[argv.index("-append") + 1]


def test_another_guest_may_have_other_hardware_and_another_first_process(tmp_path: Path) -> None:
    guest = machine.Guest(*(tmp_path / name for name in ("vmlinuz", "root", "zones", "python")))
    places = tmp_path / "console", tmp_path / "answers"
    argv = machine.command(guest, *places, "vm.guest.boot", "more", ["-m", "2048", "-smp", "2"])
    said = argv[argv.index("-append") + 1]
    assert said.endswith(f"more rdinit={guest.python} -- -m vm.guest.boot")
    assert argv.count("-m") == 1
    assert argv[argv.index("-smp") + 1] == "2"
