"""Each kind of installation finds its own directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.config.paths import Paths

HOME = {"HOME": "/home/ada"}


def test_root_gets_the_system_directories() -> None:
    paths = Paths.detect({"HOME": "/root", "XDG_RUNTIME_DIR": "/run/user/0"}, uid=0)
    assert paths.run == Path("/run/edge-rt")
    assert paths.state == Path("/var/lib/edge-rt")
    assert paths.config_file == Path("/etc/edge-rt/config.yaml")
    assert paths.cache == Path("/root/.cache/edge-rt")
    assert paths.socket == Path("/run/edge-rt/edge-rt.sock")


def test_a_user_gets_directories_below_home() -> None:
    paths = Paths.detect(HOME, uid=1000)
    assert paths.run == Path("/tmp/edge-rt-1000")
    assert paths.state == Path("/home/ada/.local/state/edge-rt")
    assert paths.config_file == Path("/home/ada/.config/edge-rt/config.yaml")
    assert paths.cache == Path("/home/ada/.cache/edge-rt")


def test_a_user_whom_nobody_knows_has_none_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    paths = Paths.detect({}, uid=54321)
    assert paths.socket == Path("/tmp/edge-rt-54321/edge-rt.sock")
    assert paths.state == Path("/nonexistent/.local/state/edge-rt")


def test_xdg_variables_move_a_users_directories() -> None:
    environ = HOME | {
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "XDG_STATE_HOME": "/s",
        "XDG_CONFIG_HOME": "/c",
        "XDG_CACHE_HOME": "/k",
    }
    paths = Paths.detect(environ, uid=1000)
    assert paths == Paths(
        run=Path("/run/user/1000/edge-rt"),
        state=Path("/s/edge-rt"),
        config_file=Path("/c/edge-rt/config.yaml"),
        cache=Path("/k/edge-rt"),
    )


@pytest.mark.parametrize("value", ["", "relative/dir"])
def test_a_relative_or_empty_xdg_variable_counts_as_unset(value: str) -> None:
    environ = HOME | {"XDG_STATE_HOME": value, "XDG_RUNTIME_DIR": value, "EDGE_RT_CACHE": value}
    assert Paths.detect(environ, uid=7) == Paths.detect(HOME, uid=7)


@pytest.mark.parametrize("uid", [0, 1000])
def test_what_systemd_hands_over_wins_and_the_first_of_a_list_counts(uid: int) -> None:
    environ = HOME | {
        "XDG_STATE_HOME": "/s",
        "RUNTIME_DIRECTORY": "/run/edge-rt:/run/other",
        "STATE_DIRECTORY": "/var/lib/private/edge-rt",
        "CONFIGURATION_DIRECTORY": "/etc/one:/etc/two",
    }
    paths = Paths.detect(environ, uid=uid)
    assert paths.run == Path("/run/edge-rt")
    assert paths.state == Path("/var/lib/private/edge-rt")
    assert paths.config_file == Path("/etc/one/config.yaml")


def test_the_cache_can_be_named() -> None:
    environ = HOME | {"XDG_CACHE_HOME": "/k", "EDGE_RT_CACHE": "/big/disk"}
    assert Paths.detect(environ, uid=1000).cache == Path("/big/disk")


def test_the_systems_directories_may_lie_below_another_root() -> None:
    environ = {"EDGE_RT_ROOT": "/r", "HOME": "/root", "STATE_DIRECTORY": "/s"}
    system = Paths.system(environ)
    assert (system.run, system.state) == (Path("/r/run/edge-rt"), Path("/r/var/lib/edge-rt"))
    assert system.config_file == Path("/r/etc/edge-rt/config.yaml")
    assert Paths.detect(environ, uid=0).run == system.run
    assert Paths.detect(environ, uid=0).state == Path("/s")
    assert Paths.detect(environ, uid=7) == Paths.detect(environ | {"EDGE_RT_ROOT": "/x"}, uid=7)
    assert Paths.system({}) == Paths.system({"EDGE_RT_ROOT": "relative"})
