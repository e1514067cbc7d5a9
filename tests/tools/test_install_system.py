"""systemd and udev hear of what came and went, in an image only what takes no running system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from bootstrap import SetupError
from installlib.files import PLACES, RPC, Layout
from installlib.system import System, run

TRIGGER = "udevadm trigger" + "".join(
    f" --subsystem-match={name}" for name in ("powercap", "iio", "devfreq")
)


class Commands:
    """Notes what is run."""

    def __init__(self) -> None:
        self.run: list[str] = []

    def __call__(self, argv: Sequence[str]) -> None:
        self.run.append(" ".join(argv))

    def said(self) -> list[str]:
        said, self.run = self.run, []
        return said


@pytest.fixture
def commands() -> Commands:
    return Commands()


def test_on_a_running_system(commands: Commands) -> None:
    system = System(Layout(), commands, running=True, udev=True)
    system.installed(new_units=True, new_program=True)
    assert commands.said() == [
        "systemd-sysusers /etc/sysusers.d/edge-rt.conf",
        "systemd-tmpfiles --create --exclude-prefix=/sys /etc/tmpfiles.d/edge-rt.conf",
        "udevadm control --reload",
        TRIGGER,
        "systemctl daemon-reload",
        "systemctl enable edge-rt.socket edge-rt.service",
        "systemctl restart edge-rt.socket edge-rt.service",
    ]
    system.leave()
    system.left()
    assert commands.said() == [
        "systemctl disable --now edge-rt.service edge-rt.socket",
        "udevadm control --reload",
        TRIGGER,
        "systemctl daemon-reload",
    ]


def test_a_new_program_keeps_the_socket_and_who_waits_there(commands: Commands) -> None:
    system = System(Layout(), commands, running=True, udev=False)
    system.installed(new_units=False, new_program=True)
    assert commands.said()[-1] == "systemctl restart edge-rt.service"


def test_with_nothing_new_the_daemon_is_not_disturbed(commands: Commands) -> None:
    system = System(Layout(), commands, running=True, udev=False)
    system.installed(new_units=False, new_program=False)
    assert commands.said()[-1] == "systemctl start edge-rt.service"


def test_without_a_running_systemd_units_are_enabled_for_the_next_boot(commands: Commands) -> None:
    system = System(Layout(), commands, running=False, udev=False)
    system.installed(new_units=True, new_program=True)
    system.leave()
    system.left()
    assert commands.said()[2:] == [
        "systemctl enable edge-rt.socket edge-rt.service",
        "systemctl disable edge-rt.service edge-rt.socket",
    ]


def test_an_image_is_told_nothing_else_and_this_machine_nothing(commands: Commands) -> None:
    layout = Layout(destdir=Path("/image"))
    system = System(layout, commands, running=True, udev=True)
    system.installed(new_units=True, new_program=True)
    system.leave()
    system.left()
    assert commands.said() == [
        "systemctl --root=/image enable edge-rt.socket edge-rt.service",
        "systemctl --root=/image disable edge-rt.service edge-rt.socket",
    ]


def test_the_unit_that_lends_memory_leaves_with_the_others(
    commands: Commands, tmp_path: Path
) -> None:
    layout = Layout(destdir=tmp_path)
    place = layout.at(PLACES[RPC])
    place.parent.mkdir(parents=True)
    place.touch()
    System(layout, commands).leave()
    left = "edge-rt.service edge-rt.socket edge-rt-rpc.service"
    assert commands.said() == [f"systemctl --root={tmp_path} disable {left}"]


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(SetupError, match=r"sh -c .* failed: no room"):
        run(["sh", "-c", "echo no room >&2; exit 3"])


def test_a_machine_without_systemd_is_told_so() -> None:
    with pytest.raises(SetupError, match="no-such-program is missing"):
        run(["no-such-program"])
