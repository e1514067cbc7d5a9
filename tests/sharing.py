"""A pytest plugin: which files of tests run in the same process of pytest-xdist."""

from __future__ import annotations

import pytest

GUESTS = "tests/vm"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Take the place of `--dist loadfile`."""
    from xdist.scheduler import LoadFileScheduling  # without xdist tests run in one process

    class Rooms(LoadFileScheduling):
        """Files one by one, but all that boot guests in one process.

        Guests share a root, which that process has locked until its session ends: another one
        would wait for it all the while.
        """

        def _split_scope(self, nodeid: str) -> str:
            path = super()._split_scope(nodeid)
            return GUESTS if path.startswith(f"{GUESTS}/") else path

    return Rooms(config, log) if config.getoption("dist") == "loadfile" else None
