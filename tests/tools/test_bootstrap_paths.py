from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap import SetupError
from bootstrap.paths import CHECKOUT, cache_dir


def test_the_named_cache_wins_over_the_xdg_one(tmp_path: Path) -> None:
    env = {"EDGE_RT_CACHE": str(tmp_path / "named"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert cache_dir(env) == tmp_path / "named"
    del env["EDGE_RT_CACHE"]
    assert cache_dir(env) == tmp_path / "xdg/edge-rt"


def test_the_cache_exists_afterwards(tmp_path: Path) -> None:
    assert cache_dir({"EDGE_RT_CACHE": str(tmp_path / "a/b")}).is_dir()


def test_an_impossible_cache_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="EDGE_RT_CACHE"):
        cache_dir({"EDGE_RT_CACHE": str(tmp_path / "file/cache")})


def test_the_checkout_holds_this_test() -> None:
    assert Path(__file__).is_relative_to(CHECKOUT)
