"""A pytest plugin: coverage notes which test runs a line, and TIMES gets what passed tests took."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

TIMES = "MUTATE_TIMES"  # names a file for seconds by test


class Contexts:
    """Notes of one run."""

    def __init__(self, times: Path) -> None:
        self._times = times
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Attribute what runs from now on to `item`."""
        if (running := coverage.Coverage.current()) is not None:
            running.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what the parts of a test took."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        passed = {test: s for test, s in self._seconds.items() if test not in self._failed}
        self._times.write_text(json.dumps(passed))


def pytest_configure(config: pytest.Config) -> None:
    """Take part in this run."""
    config.pluginmanager.register(Contexts(Path(os.environ[TIMES])))
