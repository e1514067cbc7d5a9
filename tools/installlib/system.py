"""systemd and udev of the machine, or of an image that is built."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from bootstrap import SetupError

from installlib.files import PLACES, RPC, SERVICE, SOCKET, Layout

_RUNS = Path("/run/systemd/system")  # while systemd does
_UDEV = Path("/run/udev/control")

Run = Callable[[Sequence[str]], None]


def run(argv: Sequence[str]) -> None:
    """Run a command of the system; raises SetupError with its words."""
    if shutil.which(argv[0]) is None:
        raise SetupError(f"{argv[0]} is missing: edge_rt is installed for systemd alone")
    done = subprocess.run(argv, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"{' '.join(argv)} failed: {done.stderr.strip()}")


class System:
    """What has to be told of units, users and rules that came or went."""

    def __init__(
        self,
        layout: Layout,
        run: Run = run,
        *,
        running: bool | None = None,
        udev: bool | None = None,
    ) -> None:
        """`running` and `udev` tell whether systemd and udev do, None: what this machine shows.

        In an image they never do: users, folders and rules are made when it boots.
        """
        here = layout.destdir is None
        self._run, self._layout = run, layout
        self._here = here
        self._systemctl = ["systemctl"] if here else ["systemctl", f"--root={layout.destdir}"]
        self._running = here and (_RUNS.exists() if running is None else running)
        self._udev = here and (_UDEV.exists() if udev is None else udev)

    def installed(self, *, new_units: bool, new_program: bool) -> None:
        """Users and folders made, units enabled and, with what is new, at work."""
        if self._here:
            self._run(["systemd-sysusers", PLACES["edge-rt.sysusers"]])
            # Those below /sys are made each time that the service starts.
            create = ["systemd-tmpfiles", "--create", "--exclude-prefix=/sys"]
            self._run([*create, PLACES["edge-rt.tmpfiles"]])
        self._tell_udev()
        if self._running:
            self._run([*self._systemctl, "daemon-reload"])
        self._run([*self._systemctl, "enable", SOCKET, SERVICE])
        if self._running:
            verb = "restart" if new_units or new_program else "start"
            units = [SOCKET, SERVICE] if new_units else [SERVICE]
            self._run([*self._systemctl, verb, *units])

    def leave(self) -> None:
        """Units at an end and disabled, before they go."""
        now = ["--now"] if self._running else []
        opted = [RPC] if self._layout.at(PLACES[RPC]).exists() else []  # 0.2.0 has none
        self._run([*self._systemctl, "disable", *now, SERVICE, SOCKET, *opted])

    def left(self) -> None:
        """Units and rules are gone."""
        self._tell_udev()
        if self._running:
            self._run([*self._systemctl, "daemon-reload"])

    def _tell_udev(self) -> None:
        if self._udev:
            self._run(["udevadm", "control", "--reload"])
            matches = [f"--subsystem-match={name}" for name in ("powercap", "iio", "devfreq")]
            self._run(["udevadm", "trigger", *matches])
