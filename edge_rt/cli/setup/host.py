"""Users and groups of the machine, and commands that change them."""

from __future__ import annotations

import grp
import pwd
import subprocess
from collections.abc import Sequence

from edge_rt.cli.exits import CommandFailure


class Host:
    """The machine that is set up."""

    def run(self, argv: Sequence[str]) -> None:
        """Run a command of the system; raises CommandFailure with its words."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            raise CommandFailure(f"{argv[0]} is missing") from None
        except subprocess.TimeoutExpired:
            raise CommandFailure(f"{' '.join(argv)} did not end within a minute") from None
        if done.returncode != 0:
            raise CommandFailure(f"{' '.join(argv)} failed: {done.stderr.strip()}")

    def has_group(self, group: str) -> bool:
        """Whether there is a group of that name."""
        try:
            grp.getgrnam(group)
        except KeyError:
            return False
        return True

    def is_member(self, user: str, group: str) -> bool:
        """Whether the user is in the group, or will be from the next login on."""
        try:
            entry = grp.getgrnam(group)
            return user in entry.gr_mem or pwd.getpwnam(user).pw_gid == entry.gr_gid
        except KeyError:
            return False
