"""Memory is read from procfs."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from edge_rt.core.system.process import own_bytes, rss_bytes


def test_resident_pages_are_the_second_number(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("5000 1200 300 1 0 900 0\n")
    assert rss_bytes(statm) == 1200 * os.sysconf("SC_PAGE_SIZE")


def test_this_process_is_as_large_as_psutil_says() -> None:
    assert rss_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_what_is_no_files_is_the_second_number_less_the_third(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("5000 1200 300 1 0 900 0\n")
    assert own_bytes(statm) == 900 * os.sysconf("SC_PAGE_SIZE")


def test_a_process_has_some_of_its_own() -> None:
    assert 0 < own_bytes() < rss_bytes()
